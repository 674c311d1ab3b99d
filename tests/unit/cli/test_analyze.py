from __future__ import annotations

import sys
from pathlib import Path

import pytest
import soundfile

from asclf.cli.main import main

pytest.importorskip("matplotlib")

Capture = pytest.CaptureFixture[str]


def test_what_can_be_drawn_is_drawn_and_the_rest_is_left_out_with_a_reason(
    tiny_experiment: Path, tmp_path: Path, capsys: Capture
) -> None:
    assert main(["score", str(tiny_experiment)]) == 0
    capsys.readouterr()
    out = tmp_path / "figures"
    assert main(["analyze", str(tiny_experiment), "--out", str(out), "--clip", "1-3"]) == 0
    shown = capsys.readouterr().out
    drawn = {"durations", "features", "strategies", "confusion"}
    assert {path.stem for path in out.glob("*.png")} == drawn
    assert all(f"{out / name}.png: " in shown for name in drawn)
    assert "left out: cam: EcapaTdnn: it has no feature maps of time and frequency" in shown
    assert "left out: lambda: " in shown
    page = (out / "index.md").read_text("utf-8")
    assert "1-3 (cat)" in page
    assert all(f"]({path.name})" in page for path in out.iterdir() if path.name != "index.md")
    counts = (out / "confusion.csv").read_text("utf-8").splitlines()
    assert counts[0] == "true,cat,dog,rain"
    assert sum(int(cell) for line in counts[1:] for cell in line.split(",")[1:]) == 18


def test_without_its_shards_an_experiment_is_looked_at_on_a_file(
    tiny_experiment: Path, tmp_path: Path, capsys: Capture
) -> None:
    for fold in (1, 2):
        facts = tiny_experiment / f"fold{fold}" / "data.json"
        facts.write_text('{"manifest_hash": "of shards that are gone"}', encoding="utf-8")
    clip = tmp_path / "noise.wav"
    soundfile.write(clip, [0.1, -0.1] * 8000, 16_000)
    assert main(["analyze", str(tiny_experiment), "--clip", str(clip)]) == 0
    shown = capsys.readouterr().out
    assert "left out: durations: " in shown
    assert "these shards were made from another manifest" in shown
    out = tiny_experiment / "analysis"
    assert {path.stem for path in out.glob("*.png")} == {"features", "strategies"}
    assert "noise.wav" in (out / "index.md").read_text("utf-8")


def test_without_matplotlib_the_extra_is_named(
    tiny_experiment: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    assert main(["analyze", str(tiny_experiment)]) == 2
    assert "pip install 'asclf[plots]'" in capsys.readouterr().err
    assert not (tiny_experiment / "analysis").exists()


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--clip", "nowhere"], "there is no such audio file, and no such clip in the shards"),
        (["--fold", "7"], "there is no finished run of this fold"),
    ],
)
def test_what_was_asked_for_by_name_must_be_there(
    tiny_experiment: Path, capsys: Capture, options: list[str], expected: str
) -> None:
    assert main(["analyze", str(tiny_experiment), *options]) == 2
    assert expected in capsys.readouterr().err
    assert main(["analyze", str(tiny_experiment / "none")]) == 2
    assert "there is no such experiment" in capsys.readouterr().err
