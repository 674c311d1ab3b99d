from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

import asclf
from asclf.bundle.folder import MANIFEST, read_bundle
from asclf.cli.main import main
from asclf.cli.predict import audio_files
from asclf.errors import DataError
from asclf.files import write_whole

TINY = """
frontend: {type: fbank, num_mel_bins: 20}
backbone:
  {type: ecapa_tdnn, channels: 8, aggregated_channels: 8, bottleneck_channels: 4, embed_dim: 4}
"""


@pytest.fixture
def recordings(tmp_path: Path) -> Path:
    """A folder with two recordings, one in a subfolder, and a text file."""
    folder = tmp_path / "my recordings"
    (folder / "sub").mkdir(parents=True)
    noise = 0.1 * np.random.default_rng(0).standard_normal(4_000)
    soundfile.write(folder / "Hündin bellt.WAV", noise, 16_000)
    soundfile.write(folder / "sub" / "b.flac", noise, 8_000)
    (folder / "notes.txt").write_text("not audio", encoding="utf-8")
    return folder


def test_folder_is_searched_for_audio(
    recordings: Path, tiny_run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["predict", str(recordings), "--model", str(tiny_run)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.rpartition(": ")[0] for line in lines] == [
        str(recordings / "Hündin bellt.WAV"),
        str(recordings / "sub" / "b.flac"),
    ]
    assert all(re.fullmatch(r".*: (cat|dog|rain) [01]\.\d{3}", line) for line in lines)


def test_json_holds_the_best_labels_in_order(
    recordings: Path, tiny_run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = recordings / "sub" / "b.flac"
    arguments = ["--top-k", "2", "predict", "--json", str(file), "--model", str(tiny_run)]
    assert main(["predict", *(word for word in arguments if word != "predict")]) == 0
    (line,) = capsys.readouterr().out.splitlines()
    found = json.loads(line)
    assert found["clip"] == str(file)
    assert len(found["top"]) == 2
    assert found["top"][0] == {"label": found["label"], "score": found["score"]}
    assert found["top"][0]["score"] >= found["top"][1]["score"]


def test_checkpoint_and_bundle_say_the_same(
    recordings: Path, tiny_run: Path, tiny_bundle: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shown = []
    for model in (tiny_run, tiny_bundle):
        assert main(["predict", str(recordings), "--json", "--model", str(model)]) == 0
        lines = capsys.readouterr().out.splitlines()
        shown.append([json.loads(line) for line in lines])
    for of_run, of_bundle in zip(*shown, strict=True):
        assert of_run["label"] == of_bundle["label"]
        assert of_run["score"] == pytest.approx(of_bundle["score"], abs=1e-3)


def test_of_labels_heard_together_all_above_the_threshold_are_printed(
    recordings: Path,
    make_run: Callable[[Path, str], Path],
    tiny_bundle: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    run = make_run(tmp_path / "fold1", f"{TINY}loss: {{type: bce}}\n")
    bundle = Path(shutil.copytree(tiny_bundle, tmp_path / "bundle"))
    write_whole(bundle / MANIFEST, replace(read_bundle(bundle), activation="sigmoid").to_json())
    file = str(recordings / "sub" / "b.flac")
    for model in (run, bundle):
        arguments = ["predict", file, "--model", str(model)]
        scores = asclf.load(model).predict(file).scores
        assert max(scores.values()) < sum(scores.values()) - 0.5
        assert main([*arguments, "--threshold", "0.01", "--json"]) == 0
        found = json.loads(capsys.readouterr().out)
        assert {each["label"] for each in found["top"]} == {"cat", "dog", "rain"}
        assert main([*arguments, "--threshold", "0.99"]) == 0
        assert capsys.readouterr().out == f"{file}: nothing\n"


def test_broken_files_are_counted_and_the_others_classified(
    recordings: Path, tiny_run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (recordings / "a_broken.wav").write_bytes(b"RIFF")
    absent = recordings.parent / "absent.wav"
    status = main(["predict", str(absent), str(recordings), "--model", str(tiny_run)])
    shown = capsys.readouterr()
    assert status == 2
    assert len(shown.out.splitlines()) == 2
    first, second, count = shown.err.splitlines()
    assert first.startswith(f"{absent}: ")
    assert second.startswith(f"{recordings / 'a_broken.wav'}: ")
    assert count == "2 of 4 files could not be classified"


def test_folder_without_audio_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="there is no audio file in this folder"):
        list(audio_files([tmp_path]))


def test_file_name_that_is_no_text_is_printed_with_escapes(
    recordings: Path, tiny_run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    odd = Path(os.fsdecode(os.fsencode(recordings) + b"/\xff.flac"))
    try:
        shutil.copy(recordings / "sub" / "b.flac", odd)
    except OSError:
        pytest.skip("this file system takes no such name")
    assert main(["predict", str(odd), "--model", str(tiny_run)]) == 0
    assert "\\udcff.flac: " in capsys.readouterr().out


def test_folder_without_a_model_is_one_line(
    recordings: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["predict", str(recordings), "--model", str(tmp_path / "absent")]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"{tmp_path / 'absent'}: ")


def test_without_a_model_the_last_bundle_is_taken(
    recordings: Path,
    tiny_bundle: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    older = tmp_path / "exp" / "a" / "bundle"
    newer = tmp_path / "egs" / "dogs" / "exp" / "b" / "bundle"
    for age, bundle in ((100, older), (0, newer)):
        shutil.copytree(tiny_bundle, bundle)
        made = (bundle / "bundle.json").stat().st_mtime - age
        os.utime(bundle / "bundle.json", (made, made))
    monkeypatch.chdir(tmp_path)
    assert main(["predict", str(recordings)]) == 0
    assert capsys.readouterr().err.splitlines() == [f"model: {newer}"]


def test_without_any_model_the_error_says_how_to_make_one(
    recordings: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["predict", str(recordings)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "there is no exported model" in line
    assert "asclf export" in line
