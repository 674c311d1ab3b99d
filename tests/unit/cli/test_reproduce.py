"""Runs trained again by `asclf reproduce`, and what it says of them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from asclf.checkpoint import load_tensors, save_tensors
from asclf.cli.main import main
from asclf.data.shards import write_shards

Capture = pytest.CaptureFixture[str]

TRAINABLE = """
frontend: {type: fbank, num_mel_bins: 20}
backbone:
  {type: ecapa_tdnn, channels: 8, aggregated_channels: 8, bottleneck_channels: 4, embed_dim: 4}
data: {batch_size: 3, num_workers: 0, crop_s: 0.2}
train: {epochs: 1, average_last: 1, num_threads: 1, tensorboard: false}
"""


@pytest.fixture
def exp(tiny_shards: Path, tmp_path: Path, capsys: Capture) -> Path:
    """Two complete runs."""
    config, exp = tmp_path / "tiny.yaml", tmp_path / "tiny"
    config.write_text(TRAINABLE, encoding="utf-8")
    shards = f"data.shards={tiny_shards}"
    assert main(["train", "--config", str(config), "--exp", str(exp), shards, "--folds=1,2"]) == 0
    capsys.readouterr()
    return exp


def test_the_same_weights_come_again(exp: Path, capsys: Capture) -> None:
    assert main(["reproduce", str(exp)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.partition(": ")[0] for line in lines] == [f"{exp}_again/fold{n}" for n in (1, 2)]
    assert all("the final weights are bit-identical (" in line for line in lines)


def test_differences_are_told_before_and_after(exp: Path, capsys: Capture) -> None:
    assert main(["score", str(exp)]) == 0
    path = exp / "fold1" / "environment.json"
    (entry,) = json.loads(path.read_text())
    entry["versions"]["torch"] = "1.0"
    path.write_text(json.dumps([entry]), encoding="utf-8")
    final = exp / "fold1" / "final.safetensors"
    tensors, meta = load_tensors(final)
    name = min(name for name, tensor in tensors.items() if tensor.is_floating_point())
    tensors[name].view(-1)[0] += 0.5
    save_tensors(final, tensors, meta)
    capsys.readouterr()
    out = exp / "other"
    assert main(["reproduce", str(exp), "--exp", str(out)]) == 3
    first, second, third, *scores = capsys.readouterr().out.splitlines()
    assert first.startswith("fold1: torch: 1.0 then, ")
    assert second == f"{out}/fold1: 1 of {len(tensors)} tensors of the final weights differ, " + (
        f"by at most 0.5 ({name})"
    )
    assert "bit-identical" in third
    assert [line.partition(":")[0] for line in scores] == ["score then", "score now"]


def test_what_would_train_other_weights_is_refused(
    exp: Path, tiny_shards: Path, tmp_path: Path, capsys: Capture
) -> None:
    run, out = str(exp / "fold2"), ["--exp", str(tmp_path / "out")]
    assert main(["reproduce", run, *out, "seed=1"]) == 2
    assert "this run has seed = 0; expected 1" in capsys.readouterr().err
    shards = tmp_path / "shards"
    manifest = tmp_path / "manifest.jsonl"
    lines = (tiny_shards.parent / "manifest.jsonl").read_text().splitlines()
    paths = [line.replace('"path": "', f'"path": "{tiny_shards.parent}/') for line in lines[:-2]]
    manifest.write_text("\n".join(paths) + "\n", encoding="utf-8")
    write_shards(manifest, shards, sample_rate=16_000)
    assert main(["reproduce", run, *out, f"data.shards={shards}"]) == 2
    assert "trained on other data" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_without_a_complete_run_there_is_nothing_to_reproduce(
    exp: Path, tmp_path: Path, capsys: Capture
) -> None:
    assert main(["reproduce", str(tmp_path / "absent")]) == 2
    assert "there is no complete run here" in capsys.readouterr().err
    (exp / "fold1" / "environment.json").unlink()
    assert main(["reproduce", str(exp)]) == 2
    assert "does not say what it was trained in" in capsys.readouterr().err
