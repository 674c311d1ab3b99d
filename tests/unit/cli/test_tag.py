from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

import asclf
from asclf.cli.main import main
from asclf.data.manifest import Clip, read_manifest, write_manifest

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    """Two clips of one file, in a fold each, and one that is no audio."""
    noise = 0.1 * np.random.default_rng(0).standard_normal(16_000)
    soundfile.write(tmp_path / "noise.wav", noise, 16_000)
    (tmp_path / "broken.wav").write_text("not audio", encoding="utf-8")
    halves = [
        Clip(f"half{i}", tmp_path / "noise.wav", ("?",), i / 2, 0.5, fold=i, source_id="noise")
        for i in (0, 1)
    ]
    broken = Clip("broken", tmp_path / "broken.wav", ("?",))
    write_manifest(tmp_path / "clips.jsonl", [*halves, broken])
    return tmp_path / "clips.jsonl"


def tag(*arguments: object) -> int:
    return main(["tag", *map(str, arguments)])


def test_labels_are_what_the_model_hears_in_the_stretch_of_the_clip(
    manifest: Path, tiny_bundle: Path, tmp_path: Path, capsys: Capture
) -> None:
    out = tmp_path / "tagged.jsonl"
    assert tag(manifest, "--model", tiny_bundle, "--out", out, "--most", 1) == 0
    tagged = read_manifest(out)
    assert [clip.clip_id for clip in tagged] == ["half0", "half1"]
    model, noise = asclf.load(tiny_bundle), soundfile.read(tmp_path / "noise.wav")[0]
    for clip, half in zip(tagged, np.split(noise, 2), strict=True):
        assert clip.labels == (model.predict(half).label,)
    shown = capsys.readouterr()
    assert shown.out.endswith("; 1 left out\n")
    assert "broken" in shown.err


def test_source_and_stretch_are_kept_and_folds_left_out(
    manifest: Path, tiny_bundle: Path, tmp_path: Path
) -> None:
    out = tmp_path / "tagged.jsonl"
    assert tag(manifest, "--model", tiny_bundle, "--out", out) == 0
    found = [(clip.start_s, clip.duration_s, clip.source_id) for clip in read_manifest(out)]
    assert found == [(0.0, 0.5, "noise"), (0.5, 0.5, "noise")]
    assert [clip.fold for clip in read_manifest(out)] == [None, None]


def test_a_threshold_that_no_label_reaches_leaves_the_best(
    manifest: Path, tiny_bundle: Path, tmp_path: Path
) -> None:
    counts = []
    for threshold in ("0.001", "0.999"):
        out = tmp_path / f"{threshold}.jsonl"
        assert tag(manifest, "--model", tiny_bundle, "--out", out, "--threshold", threshold) == 0
        counts.append([len(clip.labels) for clip in read_manifest(out)])
    assert counts == [[3, 3], [1, 1]]


def test_a_clip_in_two_manifests_is_refused(
    manifest: Path, tiny_bundle: Path, tmp_path: Path, capsys: Capture
) -> None:
    out = tmp_path / "tagged.jsonl"
    assert tag(manifest, manifest, "--model", tiny_bundle, "--out", out) == 2
    assert "'half0' is in" in capsys.readouterr().err
    assert not out.exists()
