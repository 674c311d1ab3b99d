from __future__ import annotations

from pathlib import Path

import pytest

from asclf.files import sha256_of, whole_file, whole_folder, write_whole


def _fill(folder: Path, text: str) -> None:
    with whole_folder(folder) as part:
        (part / "x").write_text(text)


def test_a_folder_appears_whole_and_replaces_an_older_one(tmp_path: Path) -> None:
    target = tmp_path / "deep" / "target"
    _fill(target, "old")
    (target / "leftover").touch()
    _fill(target, "new")
    assert {file.name: file.read_text() for file in target.iterdir()} == {"x": "new"}
    assert [path.name for path in target.parent.iterdir()] == ["target"]


def test_a_failure_leaves_the_older_folder_and_nothing_else(tmp_path: Path) -> None:
    target = tmp_path / "target"
    _fill(target, "old")
    with pytest.raises(RuntimeError), whole_folder(target) as part:
        (part / "x").write_text("new")
        raise RuntimeError
    assert (target / "x").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["target"]


def test_a_folder_that_cannot_be_put_in_place_brings_the_older_one_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "target"
    _fill(target, "old")
    rename = Path.rename

    def fail_on_part(self: Path, goal: Path) -> Path:
        if self.suffix == ".part":
            raise OSError("disk full")
        return rename(self, goal)

    monkeypatch.setattr(Path, "rename", fail_on_part)
    with pytest.raises(OSError, match="disk full"):
        _fill(target, "new")
    assert (target / "x").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["target"]


def test_a_failure_leaves_the_older_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "x"
    write_whole(path, "old")
    with pytest.raises(RuntimeError), whole_file(path) as part:
        part.write_text("new")
        raise RuntimeError
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_sha256_is_that_of_the_content(tmp_path: Path) -> None:
    write_whole(tmp_path / "abc", b"abc")
    known = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"  # FIPS 180-2, B.1
    assert sha256_of(tmp_path / "abc") == known
