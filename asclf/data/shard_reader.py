"""Shards to samples: what lies in the tar, decoded on request.

Only bytes are taken from webdataset, never its decoders: those unpickle what a shard brings.
"""

from __future__ import annotations

import logging
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pydantic.dataclasses
from numpy.typing import NDArray
from pydantic import PositiveInt, TypeAdapter, ValidationError
from webdataset.tariterators import group_by_keys, tar_file_expander

from asclf.audio.io import load_audio
from asclf.config.component import STRICT
from asclf.data.manifest import Split
from asclf.data.shard_index import REWRITE, ShardIndex, ShardInfo
from asclf.data.shard_web import OnRetry, fetch
from asclf.errors import AudioError, DataError

logger = logging.getLogger(__name__)


@pydantic.dataclasses.dataclass(frozen=True, config=STRICT)
class SampleFacts:
    """What a shard says of a clip, as JSON beside its audio; `samples` is its length."""

    clip_id: str
    labels: tuple[str, ...]
    samples: PositiveInt
    fold: int | None
    split: Split | None
    source_id: str | None


@dataclass(frozen=True)
class Sample:
    """A clip as it lies in a shard.

    Attributes:
        facts: What is known of it.
        flac: Its audio: 16-bit mono FLAC at the index's sample rate.
        shard: The file that it is from.
    """

    facts: SampleFacts
    flac: bytes
    shard: Path

    @property
    def where(self) -> str:
        """The shard and the clip, for messages."""
        return f"{self.shard}: clip {self.facts.clip_id}"

    def decode(self, sample_rate: int) -> NDArray[np.float32]:
        """The clip's waveform (S,).

        Raises:
            AudioError: The audio is broken, or not as long as the shard says.
        """
        waveform = load_audio(self.flac, sample_rate, where=self.where)
        if len(waveform) != self.facts.samples:
            what, expected = f"it has {len(waveform)} samples", f"{self.facts.samples}"
            raise AudioError(what, where=self.where, expected=expected)
        return waveform


def read_samples(
    index: ShardIndex, shard: ShardInfo, on_retry: OnRetry = logger.warning
) -> Iterator[Sample]:
    """Yields the clips of a shard in the order in which they were written.

    Args:
        index: The index that the shard belongs to.
        shard: What to read; one at an address is fetched first.
        on_retry: Told of every attempt to fetch it that failed, but for the last.

    Raises:
        DataError: The shard is missing, cut short, or holds something else; names it.
    """
    path = fetch(index, shard, on_retry)
    found = 0
    for entry in _read_tar(path):
        yield _parse(entry, path)
        found += 1
    if found != shard.clips:
        what, expected = f"the shard holds {found} clips", f"{shard.clips}"
        raise DataError(what, where=path, expected=expected, hint=REWRITE)


def dump_facts(facts: SampleFacts) -> bytes:
    """The facts of a clip as they are stored."""
    return _FACTS.dump_json(facts)


def _read_tar(path: Path) -> Iterator[dict[str, Any]]:
    try:
        with path.open("rb") as stream:
            yield from group_by_keys(tar_file_expander([{"url": str(path), "stream": stream}]))
    except (OSError, tarfile.TarError, ValueError) as error:
        what = f"the shard cannot be read: {error.args[0] if error.args else error}"
        raise DataError(what, where=path, hint=REWRITE) from error


def _parse(entry: dict[str, Any], path: Path) -> Sample:
    try:
        return Sample(_FACTS.validate_json(entry["json"]), entry["flac"], path)
    except (KeyError, ValidationError) as error:
        what = f"the entry {entry['__key__']!r} is no clip"
        raise DataError(what, where=path, expected="FLAC and JSON", hint=REWRITE) from error


_FACTS = TypeAdapter(SampleFacts)
