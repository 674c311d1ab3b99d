"""The clips of a shard in any order; `shard_reader` reads them from end to end."""

from __future__ import annotations

import tarfile
from dataclasses import dataclass
from pathlib import Path

from asclf.data.shard_index import REWRITE, ShardIndex, ShardInfo
from asclf.data.shard_web import fetch
from asclf.errors import DataError


@dataclass(frozen=True)
class StoredClip:
    """Where the audio of a clip lies.

    Attributes:
        shard: The file that it is in.
        name: Its name there.
        start: Its first byte.
        size: Its number of bytes.
    """

    shard: Path
    name: str
    start: int
    size: int

    @property
    def where(self) -> str:
        """The shard and the clip, for messages."""
        return f"{self.shard}: {self.name}"

    def read(self) -> bytes:
        """The clip's audio, as FLAC."""
        with self.shard.open("rb") as file:
            file.seek(self.start)
            return file.read(self.size)


def stored_clips(index: ShardIndex, shard: ShardInfo) -> list[StoredClip]:
    """Where the clips of a shard lie, in the order in which they were written.

    Raises:
        DataError: The shard is missing, cut short, or holds something else; names it.
    """
    path = fetch(index, shard)
    try:
        with tarfile.open(path, "r:") as tar:
            audio = [member for member in tar if member.name.endswith(".flac")]
    except (OSError, tarfile.TarError) as error:
        what = f"the shard cannot be read: {error.args[-1]}"
        raise DataError(what, where=path, hint=REWRITE) from error
    if len(audio) != shard.clips:
        what, expected = f"the shard holds {len(audio)} clips", f"{shard.clips}"
        raise DataError(what, where=path, expected=expected, hint=REWRITE)
    return [StoredClip(path, member.name, member.offset_data, member.size) for member in audio]
