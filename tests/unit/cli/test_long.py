from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
import soundfile

from asclf.cli.main import main

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def night(tmp_path: Path) -> Path:
    """Twelve seconds of noise."""
    path = tmp_path / "night.mp3"
    soundfile.write(path, 0.1 * np.random.default_rng(0).standard_normal(12 * 16_000), 16_000)
    return path


def test_detections_are_printed_and_written(
    night: Path, tiny_bundle: Path, tmp_path: Path, capsys: Capture
) -> None:
    out = tmp_path / "out"
    arguments = ["--model", str(tiny_bundle), "--out", str(out), "--window-s", "2", "--on", "0.34"]
    assert main(["predict", "--long", str(night), *arguments]) == 0
    shown = capsys.readouterr()
    lines = shown.out.splitlines()
    assert lines
    pattern = rf"{re.escape(str(night))}: [\d.]+ to [\d.]+ s: (cat|dog|rain) 0\.\d{{3}}"
    assert all(re.fullmatch(pattern, line) for line in lines)
    assert re.search(r"12\.\d s of sound in [\d.]+ s \(real-time factor 0\.\d{4}\)", shown.err)
    told = json.loads((out / "night.detections.json").read_text("utf-8"))
    assert len(told["detections"]) == len(lines)
    assert (told["model"], told["hop_s"]) == (str(tiny_bundle), 1.0)
    assert told["off"] == pytest.approx(0.6 * 0.34)
    assert {path.suffix for path in out.iterdir()} == {".csv", ".txt", ".json"}


def test_json_has_one_object_a_detection_and_a_checkpoint_does_as_well(
    night: Path, tiny_run: Path, tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    broken = tmp_path / "broken.wav"
    broken.write_text("not audio")
    arguments = ["--model", str(tiny_run), "--json", "--on", "0.34"]
    assert main(["predict", str(broken), str(night), "--long", *arguments]) == 2
    found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert {"clip", "label", "start_s", "end_s", "score"} == set(found[0])
    assert (tmp_path / "night.detections.txt").is_file()
    assert not list(tmp_path.glob("broken.detections*"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["a.wav", "--hop-s", "1"], "asclf predict: --hop-s needs --long"),
        (["a.wav", "b/a.mp3", "--long"], "2 recordings are called a"),
        (["a.wav", "--long", "--on", "0.3", "--off", "0.4"], "expected 0 < off ≤ on ≤ 1"),
        (["a.wav", "--long", "--window-s", "0"], "expected 0 s < hop ≤ window"),
        (["a.wav", "--long", "--window-s", "soon"], "'soon' is no number of at least 0"),
        (["a.wav", "--long", "--on", "1.5"], "'1.5' is no number between 0 and 1"),
    ],
)
def test_options_that_make_no_sense_are_refused_before_any_work(
    arguments: list[str], message: str, capsys: Capture
) -> None:
    assert main(["predict", *arguments]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert message in line
