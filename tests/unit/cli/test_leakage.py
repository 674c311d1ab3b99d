from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from asclf.cli.main import main
from asclf.data.manifest import Clip, write_manifest

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    """Four clips in two folds; two of one source, and one a quieter copy of another."""
    noise = 0.1 * np.random.default_rng(0).standard_normal((3, 16_000))
    sounds = {"a": noise[0], "b": noise[1], "c": 0.3 * noise[0], "d": noise[2]}
    clips = []
    for i, (name, samples) in enumerate(sounds.items()):
        path = tmp_path / f"{name}.wav"
        soundfile.write(path, samples, 16_000)
        source = "one" if name in "bd" else None
        clips.append(Clip(name, path, ("dog",), fold=i // 2 + 1, source_id=source))
    write_manifest(tmp_path / "m.jsonl", clips)
    return tmp_path / "m.jsonl"


def leakage(*arguments: object) -> int:
    return main(["leakage", *map(str, arguments), "--jobs", "1"])


def test_sources_and_sounds_in_common_are_told(
    manifest: Path, tmp_path: Path, capsys: Capture
) -> None:
    assert leakage(manifest, "--json", tmp_path / "found.json") == 3
    assert capsys.readouterr().out.splitlines() == [
        "fold 1: 2 of 2 test clips (100.0 %) and 2 of 2 training clips have 1 source, 1 sound "
        "in common",
        "  source one: trained d; tested b",
        "  sound like a: trained c; tested a",
        "fold 2: 2 of 2 test clips (100.0 %) and 2 of 2 training clips have 1 source, 1 sound "
        "in common",
        "  source one: trained b; tested d",
        "  sound like a: trained a; tested c",
        "on both sides of some test set: sources 1, equal files 0, sounds 1",
        "not compared by source: 2 of 4 clips (it is not known)",
    ]
    first, second = json.loads((tmp_path / "found.json").read_text("utf-8"))
    assert (first["leaked"], second["leaked"]) == (["a", "b"], ["c", "d"])
    assert first["share"] == 1.0


def test_without_audio_sources_alone_are_compared(manifest: Path, capsys: Capture) -> None:
    assert leakage(manifest, "--no-audio") == 3
    told = capsys.readouterr().out
    assert "1 of 2 test clips" in told
    assert "not compared by bytes: 4 of 4 clips (as asked)" in told
    for path in manifest.parent.glob("*.wav"):
        path.unlink()
    assert leakage(manifest, "--show", "1") == 3
    told = capsys.readouterr().out
    assert "not compared by sound: 4 of 4 clips (the audio is not there, or too short)" in told


def test_other_splits_and_another_manifest(manifest: Path, tmp_path: Path, capsys: Capture) -> None:
    assert leakage(manifest, "--every", "4", "--no-audio") == 0
    assert "one clip in 4: none of " in capsys.readouterr().out
    assert leakage(manifest, "--random", "0.5", "--seed", "1", "--no-audio") in (0, 3)
    assert capsys.readouterr().out.startswith("random 0.5, seed 1: ")
    write_manifest(tmp_path / "o.jsonl", [Clip("z", Path("z.wav"), ("x",), source_id="one")])
    assert leakage(manifest, "--against", tmp_path / "o.jsonl", "--no-audio") == 3
    told = capsys.readouterr().out
    assert "o.jsonl: 1 of 1 test clips (100.0 %) and 2 of 4 training clips have 1 source" in told


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--random", "0.2", "--every", "3"], "two questions"),
        (["--random", "20"], "is no share"),
        (["--against", "absent.jsonl"], "cannot be read"),
    ],
)
def test_a_question_that_cannot_be_asked_is_one_line(
    manifest: Path, capsys: Capture, arguments: list[str], message: str
) -> None:
    assert leakage(manifest, *arguments) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert message in line
