"""Manifests: one clip a line, as JSON; what every recipe prepares and every shard is made from.

    {"clip_id": "1-100032-A-0", "path": "audio/1-100032-A-0.wav", "labels": ["dog"], "fold": 1}

A path is absolute, or relative to the manifest's folder, so that a folder with its manifest can be
moved. The file is UTF-8.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Annotated, Any, Literal

import pydantic.dataclasses
from pydantic import Field, NonNegativeInt, PositiveFloat, TypeAdapter, ValidationError

from asclf.config.component import STRICT
from asclf.errors import DataError
from asclf.files import write_whole

Name = Annotated[str, Field(min_length=1)]
Split = Literal["train", "validation", "test"]


@pydantic.dataclasses.dataclass(frozen=True, config=STRICT)
class Clip:
    """A stretch of a recording, and what is heard in it.

    Attributes:
        clip_id: Name of the clip, unique in its manifest.
        path: The audio file.
        labels: One label, or several that are heard together.
        start_s: Where the clip begins in the file, in seconds.
        duration_s: Its length in seconds; `None` is the rest of the file.
        fold: Official fold, where the dataset has folds.
        source_id: The recording it was cut from: clips of one source must not be parted by a split.
        split: Official split, where the dataset has splits.
    """

    clip_id: Name
    path: Path
    labels: Annotated[tuple[Name, ...], Field(min_length=1)]
    start_s: Annotated[float, Field(ge=0)] = 0.0
    duration_s: PositiveFloat | None = None
    fold: NonNegativeInt | None = None
    source_id: Name | None = None
    split: Split | None = None


def read_manifest(path: Path) -> list[Clip]:
    """Reads a manifest; relative audio paths come back joined to its folder.

    Raises:
        DataError: The file is missing or has no clip, a line is no clip (named as `file:line`), or
            a clip_id occurs twice.
    """
    lines = enumerate(_read_text(path).split("\n"), 1)
    placed = [(i, _parse(line, path, i)) for i, line in lines if line.strip()]
    if not placed:
        raise DataError("a manifest without a clip", where=path, hint="write it again")
    _check_clip_ids(placed, path)
    return [clip for _, clip in placed]


def write_manifest(path: Path, clips: Iterable[Clip]) -> None:
    """Writes a manifest in one piece; files below its folder are named relative to it.

    Raises:
        DataError: The name of a file cannot be written as UTF-8.
    """
    folder = path.parent.absolute()
    write_whole(path, b"".join(_format(clip, folder) + b"\n" for clip in clips))


def write_missing(manifest: Path, what: str) -> None:
    """Says beside a manifest, as `.missing`, what it lacks of the whole dataset; `""` is nothing.

    A recipe hands that to `asclf score`, which then marks the score as partial.
    """
    path = manifest.with_suffix(".missing")
    if what:
        write_whole(path, what + "\n")
    else:
        path.unlink(missing_ok=True)


def _read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        what = f"the manifest cannot be read: {error.strerror}"
        raise DataError(what, where=path, hint="asclf init writes one") from error
    except UnicodeDecodeError as error:
        raise DataError(f"no UTF-8: {error.reason}", where=path, expected="a manifest") from error


def _parse(line: str, path: Path, number: int) -> Clip:
    try:
        clip = _CLIP.validate_json(line)
    except ValidationError as error:
        raise DataError(
            _describe(error.errors()[0]),
            where=f"{path}:{number}",
            expected="a clip as JSON, with the keys " + ", ".join(f.name for f in fields(Clip)),
        ) from error
    return replace(clip, path=path.parent / clip.path)


def _describe(error: Any) -> str:
    place = ".".join(map(str, error["loc"]))
    return f"`{place}`: {error['msg']}" if place else str(error["msg"])


def _check_clip_ids(placed: Sequence[tuple[int, Clip]], path: Path) -> None:
    first: dict[str, int] = {}
    for number, clip in placed:
        if first.setdefault(clip.clip_id, number) != number:
            raise DataError(
                f"the clip_id {clip.clip_id!r} stands on line {first[clip.clip_id]} already",
                where=f"{path}:{number}",
                expected="every clip_id once",
            )


def _format(clip: Clip, folder: Path) -> bytes:
    path = clip.path.absolute()
    values = {
        **{f.name: getattr(clip, f.name) for f in fields(clip)},
        "path": str(path.relative_to(folder) if path.is_relative_to(folder) else path),
    }
    told = {key: value for key, value in values.items() if value not in (None, _DEFAULTS.get(key))}
    try:
        return json.dumps(told, ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError as error:
        raise DataError("the file's name is no UTF-8", where=path, hint="rename it") from error


_CLIP = TypeAdapter(Clip)
_DEFAULTS = {field.name: field.default for field in fields(Clip)}
