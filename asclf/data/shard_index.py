"""The index of a folder of shards: what each shard holds, and what it must hash to."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import pydantic.dataclasses
from pydantic import Field, NonNegativeInt, PositiveInt, TypeAdapter, ValidationError

from asclf.config.component import STRICT
from asclf.data.dealing import Dealing
from asclf.data.labels import LabelMap
from asclf.data.manifest import Split
from asclf.errors import DataError
from asclf.files import sha256_of, write_whole

FORMAT: Final = 1
INDEX = "index.json"
REWRITE = "delete it and run `asclf shard` again"

logger = logging.getLogger(__name__)

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


@pydantic.dataclasses.dataclass(frozen=True, config=STRICT)
class ShardInfo:
    """One shard: a tar file with clips of one fold and one split.

    Attributes:
        name: File name within the folder.
        fold: Fold of all its clips, where they have one.
        split: Split of all its clips, where they have one.
        clips: Number of clips.
        samples: Their length together, at the index's sample rate.
        bytes: Size of the file.
        sha256: SHA-256 of the file, in hexadecimal.
    """

    name: Annotated[str, Field(pattern=r"^[\w-]+\.tar$")]
    fold: NonNegativeInt | None
    split: Split | None
    clips: NonNegativeInt
    samples: NonNegativeInt
    bytes: NonNegativeInt
    sha256: Sha256


@pydantic.dataclasses.dataclass(frozen=True, config=STRICT)
class SkippedClip:
    """A clip of the manifest that is in no shard, and why."""

    clip_id: str
    reason: str
    fold: NonNegativeInt | None
    split: Split | None

    def __str__(self) -> str:
        return f"{self.clip_id}: {self.reason}"


@pydantic.dataclasses.dataclass(frozen=True, kw_only=True, config=STRICT)
class ShardIndex:
    """What `write_shards` wrote.

    Attributes:
        format: Version of the folder's format.
        sample_rate: Sample rate of every clip, in Hz.
        clips_per_shard: Most clips that a shard holds.
        manifest_hash: SHA-256 of the manifest that the shards were made from, and of the dealing.
        labels: All labels of the manifest.
        shards: The shards, sorted by name.
        skipped: Clips of the manifest that could not be read.
        dealing: How the clips were dealt to folds at random; `None` keeps the manifest's folds.
        folder: Where the shards are, or are kept once they are fetched; not part of the file.
        url: The address that they are fetched from, if any; not part of the file either.
    """

    format: Literal[1] = FORMAT
    sample_rate: PositiveInt
    clips_per_shard: PositiveInt
    manifest_hash: Sha256
    labels: LabelMap
    shards: Annotated[tuple[ShardInfo, ...], Field(min_length=1)]
    skipped: tuple[SkippedClip, ...] = ()
    dealing: Dealing | None = None
    folder: Annotated[Path, Field(exclude=True)] = Path()
    url: Annotated[str | None, Field(exclude=True)] = None

    @classmethod
    def load(cls, folder: Path) -> ShardIndex:
        """Reads the index of a folder.

        Raises:
            DataError: There is no index (the shards are missing or half-written), or it is broken
                or of another format.
        """
        path = folder / INDEX
        try:
            content = path.read_bytes()
        except OSError as error:
            what = f"the index of the shards cannot be read: {error.strerror}"
            raise DataError(what, where=path, hint="write the shards first: asclf shard") from error
        return replace(cls.parse(content, where=path), folder=folder)

    @classmethod
    def parse(cls, content: bytes, *, where: object) -> ShardIndex:
        """Reads what an index file holds; it does not say where it lies.

        Raises:
            DataError: It is broken or of another format.
        """
        try:
            index = _INDEX.validate_json(content)
        except ValidationError as error:
            what = f"this is no index of shards: {_describe(error.errors()[0])}"
            raise DataError(what, where=where, hint=REWRITE) from error
        return replace(index, folder=Path(), url=None)

    def save(self) -> None:
        """Writes the index into its folder, in one piece."""
        write_whole(self.folder / INDEX, _INDEX.dump_json(self, indent=2) + b"\n")

    def path(self, shard: ShardInfo) -> Path:
        """The file of a shard; of one at an address, where it lies once it is fetched."""
        return self.folder / (shard.name if self.url is None else f"{shard.sha256}.tar")

    @property
    def folds(self) -> tuple[int, ...]:
        """The folds that there are, sorted."""
        return tuple(sorted({shard.fold for shard in self.shards if shard.fold is not None}))

    def select(self, folds: Collection[int]) -> list[ShardInfo]:
        """The shards of some folds.

        Raises:
            DataError: There is no shard of one of the folds; names those that there are.
        """
        absent = sorted(set(folds) - set(self.folds))
        if absent:
            raise DataError(
                f"there is no fold {absent[0]}",
                where=self.folder,
                expected=f"one of the folds {_listed(self.folds)}",
            )
        return [shard for shard in self.shards if shard.fold in folds]

    def verify(self, shards: Iterable[ShardInfo]) -> None:
        """Reads the given shards, and no others, and compares size and SHA-256 with the index.

        Of shards at an address those are compared that are here already; one that differs is thrown
        away, and fetched again when it is wanted.

        Raises:
            DataError: A shard is missing or differs; names it, what it is and what it should be.
        """
        for shard in shards:
            if self.url is None:
                _verify(self.path(shard), shard)
            elif self.path(shard).exists():
                _keep_if_whole(self.path(shard), shard)


def _verify(path: Path, shard: ShardInfo) -> None:
    try:
        size = path.stat().st_size
        found = sha256_of(path) if size == shard.bytes else ""
    except OSError as error:
        what = f"the shard cannot be read: {error.strerror}"
        raise DataError(what, where=path, hint="write the shards again: asclf shard") from error
    if size != shard.bytes:
        what, expected = f"the shard has {size} bytes", f"{shard.bytes}"
        raise DataError(what, where=path, expected=expected, hint=REWRITE)
    if found != shard.sha256:
        what, expected = f"the shard has SHA-256 {found}", shard.sha256
        raise DataError(what, where=path, expected=expected, hint=REWRITE)


def _keep_if_whole(path: Path, shard: ShardInfo) -> None:
    try:
        _verify(path, shard)
    except DataError as error:
        logger.warning("%s; it is thrown away", error)
        path.unlink(missing_ok=True)


def _describe(error: Any) -> str:
    place = ".".join(map(str, error["loc"]))
    return f"`{place}`: {error['msg']}" if place else str(error["msg"])


def _listed(folds: Sequence[int]) -> str:
    return ", ".join(map(str, folds)) or "(none: these clips have no folds)"


_INDEX = TypeAdapter(ShardIndex)
