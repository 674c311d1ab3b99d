from __future__ import annotations

from pathlib import Path

import pytest

from asclf.data.manifest import Clip, read_manifest, write_manifest
from asclf.errors import DataError

GOOD = '{"clip_id": "a", "path": "a.wav", "labels": ["dog"]}\n'


def test_clips_come_back_as_they_were_written(tmp_path: Path) -> None:
    clips = [
        Clip("1-a b", tmp_path / "audio" / "hündin 犬.wav", ("dog",), fold=1, source_id="1"),
        Clip("2\u2028", Path("/elsewhere/b.flac"), ("dog", "rain"), 1.5, 0.25, split="test"),
    ]
    write_manifest(tmp_path / "m.jsonl", clips)
    assert read_manifest(tmp_path / "m.jsonl") == clips


def test_files_below_the_manifest_move_with_it(tmp_path: Path) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    write_manifest(old / "m.jsonl", [Clip("a", old / "audio" / "a.wav", ("dog",))])
    assert '"audio/a.wav"' in (old / "m.jsonl").read_text()
    old.rename(new)
    assert read_manifest(new / "m.jsonl")[0].path == new / "audio" / "a.wav"


def test_a_path_relative_to_the_working_folder_is_not_taken_for_one_of_the_manifest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_manifest(tmp_path / "lists" / "m.jsonl", [Clip("a", Path("audio/a.wav"), ("dog",))])
    assert read_manifest(tmp_path / "lists" / "m.jsonl")[0].path == tmp_path / "audio" / "a.wav"


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("not json", "Invalid JSON"),
        ("[1, 2]", "should be an object"),
        ('{"clip_id": "b", "labels": ["dog"]}', "`path`"),
        ('{"clip_id": "b", "path": "b.wav", "labels": "dog"}', "`labels`"),
        ('{"clip_id": "b", "path": "b.wav", "labels": []}', "`labels`"),
        ('{"clip_id": "b", "path": "b.wav", "labels": [3]}', "`labels.0`"),
        ('{"clip_id": "", "path": "b.wav", "labels": ["dog"]}', "`clip_id`"),
        ('{"clip_id": "b", "path": "b.wav", "labels": ["dog"], "fold": "1"}', "`fold`"),
        ('{"clip_id": "b", "path": "b.wav", "labels": ["dog"], "fold": true}', "`fold`"),
        ('{"clip_id": "b", "path": "b.wav", "labels": ["dog"], "split": "tset"}', "`split`"),
        ('{"clip_id": "b", "path": "b.wav", "labels": ["dog"], "flod": 1}', "`flod`"),
        ('{"clip_id": "b", "path": "b.wav", "labels": ["dog"], "start_s": -1}', "`start_s`"),
        ('{"clip_id": "b", "path": "b.wav", "labels": ["dog"], "start_s": NaN}', "`start_s`"),
        ('{"clip_id": "a", "path": "b.wav", "labels": ["dog"]}', "on line 1 already"),
    ],
)
def test_a_bad_line_is_named_with_file_and_number(tmp_path: Path, line: str, what: str) -> None:
    path = tmp_path / "m.jsonl"
    path.write_text(GOOD + "\n" + line + "\n")
    with pytest.raises(DataError) as caught:
        read_manifest(path)
    assert caught.value.where == f"{path}:3"
    assert what in caught.value.what


@pytest.mark.parametrize("content", [None, b"", b"\n \n", b"\xff\xfe{}"])
def test_a_missing_empty_or_foreign_manifest_is_refused(
    tmp_path: Path, content: bytes | None
) -> None:
    path = tmp_path / "m.jsonl"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DataError) as caught:
        read_manifest(path)
    assert caught.value.where == str(path)


def test_a_byte_order_mark_and_windows_line_ends_are_read(tmp_path: Path) -> None:
    path = tmp_path / "m.jsonl"
    path.write_bytes(b"\xef\xbb\xbf" + GOOD.replace("\n", "\r\n").encode())
    assert [clip.clip_id for clip in read_manifest(path)] == ["a"]


def test_a_file_name_that_is_no_text_is_refused_and_the_old_manifest_stays(tmp_path: Path) -> None:
    path = tmp_path / "m.jsonl"
    write_manifest(path, [Clip("a", tmp_path / "a.wav", ("dog",))])
    before = path.read_bytes()
    with pytest.raises(DataError, match="rename it"):
        write_manifest(path, [Clip("b", tmp_path / "b\udcff.wav", ("dog",))])
    assert path.read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["m.jsonl"]
