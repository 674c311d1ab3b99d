from __future__ import annotations

from pathlib import Path

import pytest

from asclf.audio.folder import SUFFIXES, find_recordings
from asclf.errors import DataError


def test_recordings_are_found_at_any_depth_in_a_fixed_order(tmp_path: Path) -> None:
    for folder in ("sub", ".trash"):
        (tmp_path / folder).mkdir()
    for name in ("b.wav", "A.FLAC", "sub/c.ogg", "notes.txt", "sub/._c.ogg", ".trash/d.wav"):
        (tmp_path / name).touch()
    expected = [tmp_path / name for name in ("A.FLAC", "b.wav", "sub/c.ogg")]
    assert find_recordings(tmp_path) == expected


def test_folder_without_recordings_says_what_they_end_in(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").touch()
    with pytest.raises(DataError, match=r"no audio file in this folder; expected .*\.wav") as error:
        find_recordings(tmp_path)
    assert error.value.where == str(tmp_path)


def test_folder_that_is_absent_is_said_to_be(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="there is no such folder"):
        find_recordings(tmp_path / "absent")


def test_every_container_that_is_promised_has_its_suffix() -> None:
    assert {".wav", ".flac", ".ogg", ".opus", ".mp3", ".aif", ".aiff"} <= {*SUFFIXES}
