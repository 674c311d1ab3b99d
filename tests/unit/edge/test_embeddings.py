from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from asclf.edge.embeddings import Row, write_embeddings
from asclf.errors import UsageError

TABLE = np.random.default_rng(0).standard_normal((3, 5)).astype(np.float32)
CLIPS = ["b, c.wav", "a.wav", "ü.wav"]


def rows() -> Iterator[Row]:
    yield from zip(CLIPS, TABLE, strict=True)


def test_npy_has_a_row_for_each_clip_of_its_list(tmp_path: Path) -> None:
    path = tmp_path / "new" / "x.npy"
    assert write_embeddings(path, rows()) == 3
    loaded = np.load(path, allow_pickle=False)
    assert loaded.dtype == np.float32
    np.testing.assert_array_equal(loaded, TABLE)
    listed = list(csv.reader((path.parent / "x.clips.csv").read_text("utf-8").splitlines()))
    assert listed == [["clip"], *([clip] for clip in CLIPS)]


def test_csv_reads_back_to_the_same_numbers(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    assert write_embeddings(path, rows()) == 3
    header, *body = csv.reader(path.read_text("utf-8").splitlines())
    assert header == ["clip", "e0", "e1", "e2", "e3", "e4"]
    assert [row[0] for row in body] == CLIPS
    np.testing.assert_array_equal(np.array([row[1:] for row in body], np.float32), TABLE)


def test_no_rows_are_an_empty_table(tmp_path: Path) -> None:
    assert write_embeddings(tmp_path / "x.npy", []) == 0
    assert np.load(tmp_path / "x.npy").shape == (0, 0)


@pytest.mark.parametrize("name", ["x.npy", "x.csv"])
def test_failure_leaves_no_half_file(tmp_path: Path, name: str) -> None:
    def breaking() -> Iterator[Row]:
        yield CLIPS[0], TABLE[0]
        raise OSError

    with pytest.raises(OSError):
        write_embeddings(tmp_path / name, breaking())
    assert list(tmp_path.iterdir()) == []


def test_other_formats_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"'\.txt'; expected \.csv or \.npy"):
        write_embeddings(tmp_path / "x.txt", rows())
