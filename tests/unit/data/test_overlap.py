from __future__ import annotations

from pathlib import Path

import pytest

from asclf.data.manifest import Clip, read_manifest, write_manifest
from asclf.data.overlap import write_without
from asclf.errors import DataError


def _manifest(path: Path, **sources: str | None) -> Path:
    """Clips by name, each with its source; the audio of all lies in one folder."""
    clips = [
        Clip(name, path.parent / f"{name}.wav", ("dog",), source_id=source)
        for name, source in sources.items()
    ]
    write_manifest(path, clips)
    return path


def test_clips_of_shared_recordings_are_left_out_and_counted(tmp_path: Path) -> None:
    clips = _manifest(tmp_path / "clips.jsonl", a="7", b="7", c="8", d=None, e=None)
    target = _manifest(tmp_path / "target.jsonl", x="7", y="9", d=None)
    out = tmp_path / "rest.jsonl"
    assert write_without(clips, [target], out) == (2, 1)
    assert [clip.clip_id for clip in read_manifest(out)] == ["c", "d", "e"]


def test_several_datasets_may_be_left_out(tmp_path: Path) -> None:
    clips = _manifest(tmp_path / "clips.jsonl", a="7", b="8", c="9")
    targets = [_manifest(tmp_path / f"{i}.jsonl", x=str(i)) for i in (7, 9)]
    out = tmp_path / "rest.jsonl"
    assert write_without(clips, targets, out) == (2, 2)
    assert [clip.clip_id for clip in read_manifest(out)] == ["b"]


def test_a_dataset_that_is_all_in_the_other_is_an_error(tmp_path: Path) -> None:
    clips = _manifest(tmp_path / "clips.jsonl", a="7")
    with pytest.raises(DataError, match=r"every clip is of a recording that .*clips\.jsonl has"):
        write_without(clips, [clips], tmp_path / "rest.jsonl")
    assert not (tmp_path / "rest.jsonl").exists()
