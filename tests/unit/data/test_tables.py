from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from asclf.data.manifest import Clip
from asclf.data.tables import Row, find_clips, find_file, read_number, write_found
from asclf.errors import DataError


def _table(folder: Path, *rows: str) -> Path:
    table = folder / "table.csv"
    table.write_text("\n".join(["name,fold,kind", *rows]) + "\n", encoding="utf-8")
    return table


def _read_row(folder: Path, row: Row) -> Clip:
    path = folder / row["name"]
    return Clip(path.stem, path, (row["kind"],), fold=read_number(row, "fold"))


def test_what_a_copy_lacks_is_said_beside_its_manifest(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.flac", np.zeros(100), 8000)
    table = _table(tmp_path, "a.wav,1,dog", "b.wav,1,dog", "c.wav,one,dog", ",1,dog")
    found = find_clips(table, ("name", "fold"), lambda row: _read_row(tmp_path, row))
    out, missing = tmp_path / "m.jsonl", tmp_path / "m.missing"
    write_found(found, table, out)
    assert missing.read_text("utf-8") == "3 of the 4 clips in the table\n"
    found.bad_rows.clear()
    found.without_file.clear()
    write_found(found, table, out)
    assert not missing.exists()


def test_nothing_found_writes_nothing(tmp_path: Path) -> None:
    table = _table(tmp_path, "a.wav,1,dog")
    found = find_clips(table, ("name", "fold"), lambda row: _read_row(tmp_path, row))
    with pytest.raises(DataError, match="not one clip is found: 0 clips"):
        write_found(found, table, tmp_path / "m.jsonl")
    assert not (tmp_path / "m.jsonl").exists()


def test_a_file_of_the_very_name_comes_first(tmp_path: Path) -> None:
    for name in ("1.5-a.wav", "1.5-a.ogg"):
        (tmp_path / name).touch()
    assert find_file(tmp_path / "1.5-a.ogg") == tmp_path / "1.5-a.ogg"
    assert find_file(tmp_path / "1.5-a.mp3") == tmp_path / "1.5-a.wav"
    assert find_file(tmp_path / "1.5-b.wav") is None
