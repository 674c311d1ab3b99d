from __future__ import annotations

import csv
import hashlib
import io
import logging
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import soundfile

from asclf.data.manifest import read_manifest

HEADER = "filename,fold,target,category,esc10,src_file,take"


@pytest.fixture(scope="module")
def prepare(load_prepare: Callable[[str], ModuleType]) -> ModuleType:
    """The recipe's script as a module."""
    return load_prepare("esc50")


def _copy(folder: Path, rows: Sequence[str], files: Sequence[str], header: str = HEADER) -> Path:
    (folder / "meta").mkdir(parents=True)
    (folder / "audio").mkdir()
    (folder / "meta" / "esc50.csv").write_text("\n".join([header, *rows]) + "\n")
    for name in files:
        soundfile.write(folder / "audio" / name, np.full(800, 0.1), 8000)
    return folder


def test_a_manifest_says_what_the_table_says(prepare: ModuleType, tmp_path: Path) -> None:
    rows = ["1-17-A-0.wav,1,0,dog,True,17,A", "5-19-B-3.wav,5,3,cow,False,19,B"]
    data = _copy(tmp_path / "data", rows, ["1-17-A-0.wav", "5-19-B-3.wav"])
    out = tmp_path / "m.jsonl"
    assert prepare.main(["manifest", "--data-dir", str(data), "--out", str(out)]) == 0
    dog, cow = read_manifest(out)
    assert (dog.clip_id, dog.labels, dog.fold, dog.source_id) == ("1-17-A-0", ("dog",), 1, "17")
    assert (cow.clip_id, cow.labels, cow.fold, cow.source_id) == ("5-19-B-3", ("cow",), 5, "19")
    assert dog.path == data / "audio" / "1-17-A-0.wav"


def test_esc10_is_the_marked_subset(prepare: ModuleType, tmp_path: Path) -> None:
    rows = ["a.wav,1,0,dog,True,17,A", "b.wav,5,3,cow,False,19,B", "c.wav,2,3,cow,False,1,B"]
    data = _copy(tmp_path / "data", rows, ["a.wav", "b.wav"])
    found = prepare.make_manifest(data, "esc10", tmp_path / "m.jsonl")
    assert [clip.clip_id for clip in read_manifest(tmp_path / "m.jsonl")] == ["a"]
    assert found.without_file == []


@pytest.mark.parametrize("suffix", [".ogg", ".flac"])
def test_a_copy_in_another_format_is_found_by_stem(
    prepare: ModuleType, tmp_path: Path, suffix: str
) -> None:
    data = _copy(tmp_path / "data", ["a.wav,1,0,dog,True,17,A"], [f"a{suffix}", f"aa{suffix}"])
    prepare.make_manifest(data, "esc50", tmp_path / "m.jsonl")
    assert read_manifest(tmp_path / "m.jsonl")[0].path == data / "audio" / f"a{suffix}"


def test_the_file_that_the_table_names_comes_first(prepare: ModuleType, tmp_path: Path) -> None:
    data = _copy(tmp_path / "data", ["a.ogg,1,0,dog,True,17,A"], ["a.wav", "a.ogg", "a.flac"])
    prepare.make_manifest(data, "esc50", tmp_path / "m.jsonl")
    assert read_manifest(tmp_path / "m.jsonl")[0].path.name == "a.ogg"


def test_rows_without_a_file_and_unreadable_files_are_named_and_counted(
    prepare: ModuleType, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    rows = [f"{name}.wav,1,0,dog,True,17,A" for name in "abcd"]
    data = _copy(tmp_path / "data", rows, ["a.wav"])
    (data / "audio" / "c.wav").write_bytes(b"")
    (data / "audio" / "d.wav").write_text("not found")
    with caplog.at_level(logging.INFO):
        found = prepare.make_manifest(data, "esc50", tmp_path / "m.jsonl")
    (missing,) = found.without_file
    assert missing.startswith(f"{data / 'meta' / 'esc50.csv'}:3: b.wav")
    assert [problem.split(":")[0] for problem in found.unreadable] == [
        str(data / "audio" / "c.wav"),
        str(data / "audio" / "d.wav"),
    ]
    assert all(problem in caplog.text for problem in (missing, *found.unreadable))
    assert "1 rows without a file, 2 files that cannot be read" in caplog.text
    # What is there but cannot be read is left to the shards, whose index counts it.
    assert [clip.clip_id for clip in read_manifest(tmp_path / "m.jsonl")] == ["a", "c", "d"]


@pytest.mark.parametrize(
    ("row", "fault"),
    [
        ("b.wav,one,0,dog,True,17,A", "`fold` is 'one'"),
        ("b.wav,1.5,0,dog,True,17,A", "`fold` is '1.5'"),
        ("b.wav,-1,0,dog,True,17,A", "`fold` is '-1'"),
        ("b.wav,1", "`category` is empty"),
        (",1,0,dog,True,17,A", "`filename` is empty"),
        ("b.wav,1,0,dog,yes,17,A", "`esc10` is 'yes'"),
        ("a.wav,2,0,cow,True,17,A", "a.wav occurs twice"),
        ("a.ogg,2,0,cow,True,17,A", "a.ogg occurs twice"),
    ],
)
def test_a_bad_row_is_left_out_named_and_counted(
    prepare: ModuleType, tmp_path: Path, row: str, fault: str
) -> None:
    data = _copy(tmp_path / "data", ["a.wav,1,0,dog,True,17,A", row], ["a.wav", "b.wav"])
    found = prepare.make_manifest(data, "esc50", tmp_path / "m.jsonl")
    (problem,) = found.bad_rows
    assert problem.startswith(f"{data / 'meta' / 'esc50.csv'}:3: {fault}")
    assert [clip.clip_id for clip in read_manifest(tmp_path / "m.jsonl")] == ["a"]


@pytest.mark.parametrize(
    ("header", "what"),
    [
        (HEADER.replace("fold", "part"), "the column 'fold' is missing"),
        ("", "the column 'filename' is missing"),
        (HEADER, "not one clip is found"),
    ],
)
def test_a_table_without_columns_or_clips_is_one_line_of_error(
    prepare: ModuleType, tmp_path: Path, header: str, what: str, capsys: pytest.CaptureFixture[str]
) -> None:
    data = _copy(tmp_path / "data", ["a.wav,1,0,dog,True,17,A"], [], header)
    arguments = ["manifest", "--data-dir", str(data), "--out", str(tmp_path / "m.jsonl")]
    assert prepare.main(arguments) == 2
    (error,) = [line for line in capsys.readouterr().err.splitlines() if "error: " in line]
    assert error.startswith(f"error: {data / 'meta' / 'esc50.csv'}: {what}")
    assert not (tmp_path / "m.jsonl").exists()


def test_a_folder_without_a_table_says_what_to_give(
    prepare: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["manifest", "--data-dir", str(tmp_path), "--out", str(tmp_path / "m.jsonl")]
    assert prepare.main(arguments) == 2
    assert "give --data-dir the folder of the whole release" in capsys.readouterr().err


def test_the_release_is_checked_and_unpacked_without_its_outer_folder(
    prepare: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("ESC-50-master/meta/esc50.csv", HEADER)
    release = stream.getvalue()
    out = tmp_path / "ESC-50"
    out.with_name("ESC-50.archive").write_bytes(release)  # as a download that is complete
    options = ["--url", "http://127.0.0.1:9/none.zip", "--out", str(out)]
    monkeypatch.setattr("time.sleep", lambda _: None)
    assert prepare.main(["download", *options]) == 2  # not the official checksum: fetched anew
    assert not out.exists()
    sha256 = hashlib.sha256(release).hexdigest()
    assert prepare.main(["download", *options, "--sha256", sha256]) == 0
    assert (out / "meta" / "esc50.csv").read_text() == HEADER


@pytest.mark.parametrize("subset", ["esc50", "esc10"])
def test_every_row_of_the_real_table_is_found(
    prepare: ModuleType, real_data: Path, tmp_path: Path, subset: str
) -> None:
    data = real_data / "ESC-50"
    found = prepare.make_manifest(data, subset, tmp_path / "m.jsonl")
    with (data / "meta" / "esc50.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if subset == "esc50" or row["esc10"] == "True"]
    assert (found.bad_rows, found.without_file, found.unreadable) == ([], [], [])
    clips = read_manifest(tmp_path / "m.jsonl")
    assert len(clips) > 0
    assert [(clip.clip_id, clip.labels[0], str(clip.fold), clip.source_id) for clip in clips] == [
        (Path(row["filename"]).stem, row["category"], row["fold"], row["src_file"]) for row in rows
    ]
    assert all(clip.path.exists() for clip in clips)
