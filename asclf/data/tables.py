"""Clips from the table of a dataset's release: a CSV file with a row for each recording."""

from __future__ import annotations

import csv
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from asclf.audio.folder import SUFFIXES
from asclf.audio.io import probe
from asclf.data.manifest import Clip, write_manifest, write_missing
from asclf.errors import AudioError, DataError

Row = Mapping[str, str]
ReadRow = Callable[[Row], Clip | None]

logger = logging.getLogger(__name__)


@dataclass
class Findings:
    """What a table and its audio files give: clips, and what is wrong, line by line."""

    clips: list[Clip] = field(default_factory=list)
    bad_rows: list[str] = field(default_factory=list)
    without_file: list[str] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        folds = sorted({clip.fold for clip in self.clips if clip.fold is not None})
        labels = {label for clip in self.clips for label in clip.labels}
        return (
            f"{len(self.clips)} clips of {len(labels)} classes in the folds {folds}; "
            f"{len(self.bad_rows)} bad rows, {len(self.without_file)} rows without a file, "
            f"{len(self.unreadable)} files that cannot be read"
        )

    @property
    def missing(self) -> str:
        """What the copy lacks of the rows of its own table, in words."""
        absent = len(self.bad_rows) + len(self.without_file)
        return f"{absent} of the {absent + len(self.clips)} clips in the table" if absent else ""


def find_clips(table: Path, columns: Sequence[str], read_row: ReadRow) -> Findings:
    """Reads a table, and looks for the file of each row.

    A copy may hold its audio in any format: a file that the table calls `.wav` is found by its
    stem. Bad rows and rows without a file are left out; a file that cannot be read stays in, for
    the shards to leave out and count.

    Args:
        table: A CSV file with a header.
        columns: The columns that `read_row` needs; a row in which one of them is empty is bad.
        read_row: Makes a row's clip, its path as the release has it. `None` passes over the row, a
            `DataError` says what is wrong with it.

    Raises:
        DataError: There is no table, or it has other columns.
    """
    found = Findings()
    seen: set[str] = set()
    for where, row in _read_rows(table, columns):
        try:
            clip = _read(row, columns, read_row, seen)
        except DataError as error:
            found.bad_rows.append(f"{where}: {error.what}")
            continue
        if clip is None:
            continue
        path = find_file(clip.path)
        if path is None:
            name, folder = clip.path.name, clip.path.parent
            found.without_file.append(f"{where}: {name} is not in {folder}")
        else:
            found.clips.append(replace(clip, path=path))
            found.unreadable += _find_unreadable(path)
    return found


def find_file(path: Path) -> Path | None:
    """The file, or where it is not there, one of its stem with another suffix for audio."""
    places = (path, *(path.with_suffix(suffix) for suffix in SUFFIXES))
    return next((place for place in places if place.is_file()), None)


def read_number(row: Row, column: str) -> int:
    """A whole number out of a row.

    Raises:
        DataError: It is none.
    """
    if not row[column].isdecimal():
        raise DataError(f"`{column}` is {row[column]!r}, and should be a number")
    return int(row[column])


def write_found(found: Findings, table: Path, out: Path) -> None:
    """Logs what is wrong, and writes the manifest with what is missing beside it.

    Raises:
        DataError: Not one clip was found.
    """
    for problem in (*found.bad_rows, *found.without_file, *found.unreadable):
        logger.warning("%s", problem)
    if not found.clips:
        raise DataError(f"not one clip is found: {found}", where=table)
    logger.info("%s", found)
    write_manifest(out, found.clips)
    write_missing(out, found.missing)


def _read(row: Row, columns: Sequence[str], read_row: ReadRow, seen: set[str]) -> Clip | None:
    for column in columns:
        if not row[column]:
            raise DataError(f"`{column}` is empty")
    clip = read_row(row)
    if clip is not None:
        if clip.clip_id in seen:
            raise DataError(f"{clip.path.name} occurs twice")
        seen.add(clip.clip_id)
    return clip


def _read_rows(table: Path, columns: Sequence[str]) -> Iterator[tuple[str, Row]]:
    try:
        with table.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file, restval="")
            absent = [name for name in columns if name not in (reader.fieldnames or ())]
            if absent:
                what, expected = f"the column {absent[0]!r} is missing", ", ".join(columns)
                raise DataError(what, where=table, expected=expected)
            for row in reader:
                yield f"{table}:{reader.line_num}", row
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        hint = "give --data-dir the folder of the whole release, or run stage 0"
        raise DataError(f"the table cannot be read: {reason}", where=table, hint=hint) from error


def _find_unreadable(path: Path) -> list[str]:
    try:
        probe(path)
    except AudioError as error:
        return [str(error)]
    return []
