"""Embeddings as a table in a file, written row by row: `.npy` with the clips beside it, or CSV."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TextIO

import numpy as np
from numpy.typing import NDArray

from asclf.errors import UsageError
from asclf.files import whole_file

Row = tuple[str, NDArray[np.float32]]

NPY_HEADER_BYTES = 128


def write_embeddings(path: Path, rows: Iterable[Row]) -> int:
    """Writes clips with their embeddings (D,) to `.csv`, or to `.npy` and a list of the clips.

    The list beside `NAME.npy` is `NAME.clips.csv`, one clip a line. Files are whole or absent, and
    their rows in the order that they come in.

    Returns:
        The number of rows.

    Raises:
        UsageError: The name ends in something else.
    """
    writers = {".csv": _write_csv_file, ".npy": _write_npy}
    if path.suffix not in writers:
        raise UsageError(
            f"the name ends in {path.suffix!r}", where=path, expected=" or ".join(writers)
        )
    return writers[path.suffix](path, rows)


def write_csv(stream: TextIO, rows: Iterable[Row]) -> int:
    """Writes the columns `clip`, `e0`, `e1`, …; returns the number of rows."""
    writer = csv.writer(stream, lineterminator="\n")
    count = 0
    for clip, embedding in rows:
        if count == 0:
            writer.writerow(["clip", *(f"e{i}" for i in range(len(embedding)))])
        writer.writerow([clip, *map(str, embedding)])  # the shortest that reads back as float32
        count += 1
    return count


def _write_csv_file(path: Path, rows: Iterable[Row]) -> int:
    with _text_file(path) as stream:
        return write_csv(stream, rows)


def _write_npy(path: Path, rows: Iterable[Row]) -> int:
    """Leaves room for the header, which says how many rows there are, and fills it in last."""
    count = width = 0
    with ExitStack() as files:
        names = files.enter_context(_text_file(path.with_suffix(".clips.csv")))
        part = files.enter_context(whole_file(path))
        table = files.enter_context(part.open("wb"))
        table.write(_npy_header(0, 0))
        writer = csv.writer(names, lineterminator="\n")
        writer.writerow(["clip"])
        for clip, embedding in rows:
            writer.writerow([clip])
            table.write(embedding.astype("<f4").tobytes())
            count, width = count + 1, len(embedding)
        table.seek(0)
        table.write(_npy_header(count, width))
    return count


def _npy_header(rows: int, width: int) -> bytes:
    """Version 1.0 of the format, filled up with blanks to the same length for any shape."""
    told = repr({"descr": "<f4", "fortran_order": False, "shape": (rows, width)})
    magic = b"\x93NUMPY\x01\x00"
    length = NPY_HEADER_BYTES - len(magic) - 2
    return magic + length.to_bytes(2, "little") + told.ljust(length - 1).encode() + b"\n"


@contextmanager
def _text_file(path: Path) -> Iterator[TextIO]:
    with (
        whole_file(path) as part,
        part.open("w", encoding="utf-8", errors="backslashreplace", newline="") as stream,
    ):
        yield stream
