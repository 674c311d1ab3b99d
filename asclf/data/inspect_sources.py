"""What is in somebody's folder of recordings, by its classes' folders or by a table.

DIR/dog/a.wav, DIR/dog/2024/b.flac, DIR/rain/c.mp3       the class is the first folder
path,label,source_id,fold,split                          the columns of a CSV; two are needed
"""

from __future__ import annotations

import csv
import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import get_args

from asclf.audio.folder import SUFFIXES
from asclf.data.manifest import Split
from asclf.errors import DataError

NEEDED = ("path", "label")
COLUMNS = (*NEEDED, "source_id", "fold", "split")
SPLITS: tuple[Split, ...] = get_args(Split)


@dataclass(frozen=True)
class Entry:
    """A recording that is said to be there, and what is said of it."""

    clip_id: str
    path: Path
    label: str
    source_id: str | None = None
    fold: int | None = None
    split: Split | None = None


@dataclass(frozen=True)
class Listing:
    """What a folder or a table says.

    Attributes:
        entries: The recordings, sorted by clip_id.
        loose: Audio files beside the classes' folders; they have no class.
        empty: Folders in the place of a class that hold no recording.
        other: Files passed over, by suffix.
    """

    entries: tuple[Entry, ...]
    loose: tuple[str, ...] = ()
    empty: tuple[str, ...] = ()
    other: Mapping[str, int] = field(default_factory=dict)


def list_folder(folder: Path, source_pattern: re.Pattern[str] | None = None) -> Listing:
    """Lists the recordings in a folder of classes; names that begin with a dot are passed over.

    Args:
        folder: Has a folder for each class, of any depth.
        source_pattern: Finds a recording's source in its file name: group 1, or all that matches.

    Raises:
        DataError: There is no such folder, or no recording in a class.
    """
    if not folder.is_dir():
        raise DataError("there is no such folder", where=folder, expected="a folder for each class")
    files = list(_visible_files(folder))
    sounds = [path for path in files if path.suffix.lower() in SUFFIXES]
    others = [path for path in files if path.suffix.lower() not in SUFFIXES]
    in_class = [path for path in sounds if len(path.parts) > 1]
    entries = tuple(_entry(folder, path, source_pattern) for path in in_class)
    listing = Listing(
        entries,
        loose=tuple(str(path) for path in sounds if len(path.parts) == 1),
        empty=_empty_classes(folder, in_class),
        other=Counter(path.suffix.lower() for path in others),
    )
    if not entries:
        raise DataError(
            f"no recording lies in a class's folder ({_passed_over(listing)})",
            where=folder,
            expected=f"CLASS/FILE with one of {', '.join(sorted(SUFFIXES))}",
            hint="or name a table with --csv",
        )
    return listing


def list_csv(table: Path, folder: Path, source_pattern: re.Pattern[str] | None = None) -> Listing:
    """Lists the recordings of a table; its paths are absolute, or relative to `folder`.

    Columns may stand in any order and case, beside others, parted by commas, semicolons or tabs.

    Raises:
        DataError: The table cannot be read, lacks a column, or has a bad row (named as
            `file:line`), or a fold or split for some rows only.
    """
    entries: list[Entry] = []
    seen: dict[str, str] = {}
    for where, row in _read_rows(table):
        entry = _entry_of_row(row, folder, where, source_pattern)
        earlier = seen.setdefault(entry.clip_id, where)
        if earlier != where:
            raise DataError(f"the path {row['path']!r} stands in {earlier} already", where=where)
        entries.append(entry)
    if not entries:
        raise DataError("a table without a row", where=table, expected="a recording a row")
    for column in ("fold", "split"):
        _check_all_or_none(entries, column, table)
    return Listing(tuple(sorted(entries, key=lambda entry: entry.clip_id)))


def _visible_files(folder: Path) -> Iterator[Path]:
    """Files below a folder, relative to it and sorted, without those of file systems and tools."""
    for path in sorted(folder.rglob("*")):
        inner = path.relative_to(folder)
        hidden = any(part.startswith(".") or part == "__MACOSX" for part in inner.parts)
        if not hidden and path.is_file():
            yield inner


def _entry(folder: Path, inner: Path, source_pattern: re.Pattern[str] | None) -> Entry:
    # macOS writes é as two characters, others as one: one class all the same
    label = unicodedata.normalize("NFC", inner.parts[0])
    return Entry(inner.as_posix(), folder / inner, label, _source(inner.name, source_pattern))


def _source(name: str, pattern: re.Pattern[str] | None) -> str | None:
    found = pattern.search(name) if pattern is not None else None
    if found is None:
        return None
    return (found[1] if found.re.groups else found[0]) or None


def _empty_classes(folder: Path, in_class: Sequence[Path]) -> tuple[str, ...]:
    filled = {path.parts[0] for path in in_class}
    folders = (path.name for path in folder.iterdir() if path.is_dir())
    return tuple(sorted(name for name in folders if name not in filled and name[0] not in "._"))


def _passed_over(listing: Listing) -> str:
    words = [f"{len(listing.loose)} beside the classes' folders"]
    words += [f"{count} {suffix or 'without suffix'}" for suffix, count in listing.other.items()]
    return ", ".join(words)


def _read_rows(table: Path) -> Iterator[tuple[str, dict[str, str]]]:
    try:
        with table.open(newline="", encoding="utf-8-sig") as file:
            delimiter = max(",;\t", key=file.readline().count)
            file.seek(0)
            reader = csv.reader(file, delimiter=delimiter)
            names = [name.strip().lower() for name in next(reader, [])]
            _check_columns(names, table)
            for cells in reader:
                if any(cells):
                    row = dict(zip(names, map(str.strip, cells), strict=False))
                    yield f"{table}:{reader.line_num}", row
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        expected = "a CSV in UTF-8"
        raise DataError(f"it cannot be read: {reason}", where=table, expected=expected) from error


def _check_columns(names: Sequence[str], table: Path) -> None:
    absent = [name for name in NEEDED if name not in names]
    twice = [name for name in COLUMNS if names.count(name) > 1]
    if absent or twice:
        problem = f"{absent[0]!r} is missing" if absent else f"{twice[0]!r} stands there twice"
        raise DataError(
            f"the column {problem}; there are: {', '.join(names) or 'none'}",
            where=table,
            expected=f"{', '.join(NEEDED)} in the first line, and if known "
            f"{', '.join(COLUMNS[len(NEEDED) :])}",
        )


def _entry_of_row(
    row: Mapping[str, str], folder: Path, where: str, source_pattern: re.Pattern[str] | None
) -> Entry:
    empty = [name for name in NEEDED if not row.get(name)]
    if empty:
        raise DataError(f"`{empty[0]}` is empty", where=where)
    fold, split = row.get("fold", ""), row.get("split", "")
    if fold and not fold.isdecimal():
        raise DataError(f"`fold` is {fold!r}", where=where, expected="a whole number")
    return Entry(
        clip_id=row["path"],
        path=folder / row["path"],
        label=unicodedata.normalize("NFC", row["label"]),
        source_id=row.get("source_id") or _source(Path(row["path"]).name, source_pattern),
        fold=int(fold) if fold else None,
        split=_split(split, where) if split else None,
    )


def _split(word: str, where: str) -> Split:
    for split in SPLITS:
        if word.lower() == split:
            return split
    raise DataError(f"`split` is {word!r}", where=where, expected=", ".join(SPLITS))


def _check_all_or_none(entries: Sequence[Entry], column: str, table: Path) -> None:
    known = sum(getattr(entry, column) is not None for entry in entries)
    if 0 < known < len(entries):
        raise DataError(
            f"`{column}` is given in {known} of {len(entries)} rows",
            where=table,
            expected="it in every row, or in none",
        )
