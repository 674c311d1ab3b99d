from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from asclf.files import remove_parts, sha256_of, whole_file, whole_folder, write_whole

WRITES_FOR_EVER = """
import sys
import time
from pathlib import Path
from asclf.files import write_whole
print("begun", flush=True)
for round in range(10**9):
    write_whole(Path(sys.argv[1]), bytes([round % 256]) * 300_000)
"""


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


@pytest.mark.parametrize("ends", [("part",), ("part", "old")])
def test_what_a_killed_process_of_the_same_number_left_is_in_nobodys_way(
    tmp_path: Path, ends: tuple[str, ...]
) -> None:
    target = tmp_path / "target"
    for end in ends:
        leftover = tmp_path / f".target.{os.getpid()}.{end}"
        leftover.mkdir()
        (leftover / "x").write_text(end)
    with pytest.raises(RuntimeError), whole_folder(target) as part:
        assert not any(part.iterdir())
        raise RuntimeError
    assert [path.name for path in tmp_path.iterdir()] == (["target"] if "old" in ends else [])
    _fill(target, "new")
    assert (target / "x").read_text() == "new"
    assert [path.name for path in tmp_path.iterdir()] == ["target"]


def test_a_file_replaces_an_older_one_and_its_folders_are_made(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "x"
    write_whole(path, "old")
    write_whole(path, "größer")
    assert path.read_bytes() == "größer".encode()
    assert list(path.parent.iterdir()) == [path]


def test_parts_of_killed_processes_are_removed_and_nothing_else(tmp_path: Path) -> None:
    for name in (".x.77.part", "x", "y.part", ".hidden"):
        (tmp_path / name).touch()
    remove_parts(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"x", "y.part", ".hidden"}
    remove_parts(tmp_path / "absent")


@pytest.mark.fault
@pytest.mark.parametrize("after_s", [0.0, 0.005, 0.02, 0.05, 0.1])
def test_a_file_is_whole_whenever_its_writer_is_killed(tmp_path: Path, after_s: float) -> None:
    path = tmp_path / "x"
    command = [sys.executable, "-c", WRITES_FOR_EVER, str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as writer:
        assert writer.stdout is not None
        writer.stdout.readline()
        time.sleep(after_s)
        writer.send_signal(signal.SIGKILL)
    content = path.read_bytes() if path.exists() else b""
    assert len(content) in (0, 300_000)
    assert len(set(content)) <= 1


def test_sha256_is_that_of_the_content(tmp_path: Path) -> None:
    write_whole(tmp_path / "abc", b"abc")
    known = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"  # FIPS 180-2, B.1
    assert sha256_of(tmp_path / "abc") == known
