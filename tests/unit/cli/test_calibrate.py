from __future__ import annotations

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

import asclf
from asclf.bundle.folder import read_bundle
from asclf.cli.calibrate import known_sounds, unknown_sounds
from asclf.cli.main import main
from asclf.data.manifest import Clip, Split, write_manifest
from asclf.errors import BundleError

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def bundle(tiny_bundle: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_bundle, tmp_path / "bundle"))


@pytest.fixture
def sounds(tmp_path: Path) -> dict[str, Path]:
    """Two folders of short recordings, 24 of noise and 24 of tones."""
    folders = {}
    for kind in ("noise", "tones"):
        folders[kind] = tmp_path / kind
        folders[kind].mkdir()
        for i in range(24):
            rng = np.random.default_rng(i)
            tone = np.sin(np.arange(2_000) * rng.uniform(0.05, 1.5))
            samples = 0.3 * (rng.standard_normal(2_000) if kind == "noise" else tone)
            soundfile.write(folders[kind] / f"{i}.wav", samples.clip(-1, 1), 16_000)
    return folders


@pytest.mark.parametrize("method", ["energy", "probability"])
def test_bundle_answers_unknown_below_its_threshold(
    bundle: Path, sounds: dict[str, Path], method: str, capsys: Capture
) -> None:
    arguments = ["--known", str(sounds["noise"]), "--unknown", str(sounds["tones"])]
    assert main(["calibrate", str(bundle), *arguments, "--method", method, "--keep", "0.5"]) == 0
    shown = capsys.readouterr().out
    assert f"({method}), chosen to keep 50 % of known clips" in shown
    rule = read_bundle(bundle).unknown
    assert rule is not None
    assert rule.known + rule.report.known == rule.unknown + rule.report.unknown == 24
    assert re.search(rf"known kept +{rule.report.known_kept} of {rule.report.known}, ", shown)
    assert re.search(r"AUROC +[\d.]+ % \(95 % interval [\d.]+ to [\d.]+ %\)", shown)
    model = asclf.load(bundle)
    answers = [model.predict(file).label for file in sorted(sounds["noise"].iterdir())]
    kept = np.mean([label != "unknown" for label in answers])
    assert 0.3 < kept < 0.8
    assert main(["predict", str(sounds["noise"]), "--model", str(bundle)]) == 0
    lines = capsys.readouterr().out.splitlines()
    told = [re.search(r": unknown \(nearest: \w+ 0\.\d+\)$", line) for line in lines]
    assert sum(map(bool, told)) == answers.count("unknown")


def test_target_is_for_the_unknown_clips(
    bundle: Path, sounds: dict[str, Path], capsys: Capture
) -> None:
    arguments = ["--known", str(sounds["noise"]), "--unknown", str(sounds["tones"])]
    assert main(["calibrate", str(bundle), *arguments, "--target-fpr", "0.25"]) == 0
    assert "chosen to keep at most 25 % of unknown clips" in capsys.readouterr().out


def test_manifests_are_sifted_by_fold_split_and_label(
    tiny_bundle: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    clips = [
        Clip("in", tmp_path / "a.wav", ("dog",), fold=1, source_id="s", start_s=2.0),
        Clip("trained", tmp_path / "b.wav", ("dog",), fold=2),
        Clip("other", tmp_path / "c.wav", ("siren",), fold=2),
        Clip("both", tmp_path / "d.wav", ("siren", "dog"), fold=1),
    ]
    path = tmp_path / "m.jsonl"
    write_manifest(path, clips)
    manifest = read_bundle(tiny_bundle)
    (known,) = known_sounds(path, manifest)
    assert (known.path.name, known.source_id, known.start_s) == ("a.wav", "s", 2.0)
    assert [sound.path.name for sound in unknown_sounds(path, manifest)] == ["c.wav"]
    of_all = replace(manifest, training=replace(manifest.training, test_fold=None))
    assert [sound.path.name for sound in known_sounds(path, of_all)] == ["a.wav", "b.wav"]
    assert "if it was trained on these clips, the threshold is too high" in caplog.text
    splits: list[Split] = ["train", "test", "test", "train"]
    parted = zip(clips, splits, strict=True)
    write_manifest(path, [replace(clip, split=split) for clip, split in parted])
    assert [sound.path.name for sound in known_sounds(path, of_all)] == ["b.wav"]


def test_too_few_clips_leave_the_bundle_as_it_was(
    bundle: Path, sounds: dict[str, Path], tmp_path: Path, capsys: Capture
) -> None:
    few = tmp_path / "few"
    few.mkdir()
    shutil.copy(sounds["tones"] / "0.wav", few)
    before = (bundle / "bundle.json").read_bytes()
    arguments = ["--known", str(sounds["noise"]), "--unknown", str(few)]
    assert main(["calibrate", str(bundle), *arguments]) == 2
    assert "expected at least 5 in each half" in capsys.readouterr().err
    assert (bundle / "bundle.json").read_bytes() == before


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"threshold": "high"}, r"unknown\.threshold"),
        ({"method": "guess"}, r"unknown\.method"),
        ({"method": "probability", "threshold": 3.0}, r"lies in \[0, 1\]"),
    ],
)
def test_a_rule_that_cannot_be_used_is_a_broken_bundle(
    bundle: Path, sounds: dict[str, Path], change: dict[str, object], message: str
) -> None:
    arguments = ["--known", str(sounds["noise"]), "--unknown", str(sounds["tones"])]
    assert main(["calibrate", str(bundle), *arguments]) == 0
    values = json.loads((bundle / "bundle.json").read_text())
    values["unknown"].update(change)
    (bundle / "bundle.json").write_text(json.dumps(values))
    with pytest.raises(BundleError, match=message):
        asclf.load(bundle)


def test_a_class_that_is_called_as_the_answer_is_refused(
    bundle: Path, sounds: dict[str, Path], capsys: Capture
) -> None:
    manifest = json.loads((bundle / "bundle.json").read_text())
    manifest["labels"][0] = "unknown"
    (bundle / "bundle.json").write_text(json.dumps(manifest))
    arguments = ["--known", str(sounds["noise"]), "--unknown", str(sounds["tones"])]
    assert main(["calibrate", str(bundle), *arguments]) == 2
    assert "one of its classes is called 'unknown'" in capsys.readouterr().err
    assert json.loads((bundle / "bundle.json").read_text()) == manifest
