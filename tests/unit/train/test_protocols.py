"""Whole runs under each protocol: what they hear, what they choose, and that they resume."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch

from asclf.checkpoint import load_checkpoint, load_tensors
from asclf.data.clipset import score_batches
from asclf.data.shards import ShardIndex
from asclf.errors import ConfigError, DataError
from asclf.train.progress import Silent

Train = Callable[..., Path]

pytestmark = pytest.mark.filterwarnings("ignore:This DataLoader will create")

CHOOSING = (
    "train.epochs=4",
    "train.ema=0.8",
    "train.average_best=2",
    "train.patience=2",
    "optimizer.lr=0.02",
)


class StopError(Exception):
    """Stands for whatever ends a run early."""


class StopAfter(Silent):
    """Ends a run after the state of an epoch is written."""

    def __init__(self, epoch: int) -> None:
        self.epoch = epoch

    def end_epoch(self, record: Mapping[str, Any]) -> None:
        if record["epoch"] == self.epoch:
            raise StopError


@pytest.fixture
def nested(train: Train, three_folds: Path) -> Train:
    """Trains the toy problem on fold 4, watched by fold 2, with fold 1 left out."""

    def nested(exp: str, *overrides: str, **options: Any) -> Path:
        return train(
            exp, f"data.shards={three_folds}", "data.protocol=nested", *overrides, **options
        )

    return nested


def metrics(run: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


def summary(run: Path) -> dict[str, Any]:
    facts: dict[str, Any] = json.loads((run / "summary.json").read_text())
    return facts


def epochs_kept(run: Path) -> list[int]:
    return sorted(int(path.stem[-4:]) for path in (run / "epochs").iterdir())


def test_nested_opens_no_shard_of_the_fold_that_is_scored(
    train: Train, three_folds: Path, tmp_path: Path
) -> None:
    shards = shutil.copytree(three_folds, tmp_path / "own")
    index = ShardIndex.load(shards)
    for shard in index.select([1]):
        index.path(shard).unlink()
    run = train("exp", f"data.shards={shards}", "data.protocol=nested", "train.epochs=2")
    data = json.loads((run / "data.json").read_text())
    assert {name[:5] for name in data["shards"]} == {"fold4"}
    assert {name[:5] for name in data["validation_shards"]} == {"fold2"}
    assert summary(run)["train_folds"] == [4]
    for shard in index.select([2]):
        index.path(shard).unlink()
    with pytest.raises(DataError, match="fold2-"):
        train("other", f"data.shards={shards}", "data.protocol=nested")


def test_what_is_recorded_is_what_the_saved_weights_reach(nested: Train, three_folds: Path) -> None:
    run = nested("exp", "train.epochs=3", "train.ema=0.5", "train.average_last=3")
    index = ShardIndex.load(three_folds)
    for line in metrics(run):
        model = load_checkpoint(run / f"epochs/epoch_{line['epoch']:04d}.safetensors").model
        hits, losses = 0, []
        for batch in score_batches(index, index.select([2]), batch_size=1):
            with torch.inference_mode():
                logits = model(batch.waveform, batch.lengths)
            hits += int(logits.argmax() == batch.targets.argmax())
            losses.append(torch.nn.functional.cross_entropy(logits, batch.targets).item())
        assert line["validation_accuracy"] == hits / 9
        assert line["validation_loss"] == pytest.approx(sum(losses) / 9, rel=1e-3)
        assert line["validation_seconds"] > 0


def test_a_cut_run_that_chooses_by_validation_ends_as_if_it_had_not_been_cut(
    nested: Train,
) -> None:
    whole = nested("whole", *CHOOSING)
    with pytest.raises(StopError):
        nested("cut", *CHOOSING, progress=StopAfter(2))
    cut = nested("cut", *CHOOSING, resume=True)
    for name in ("final.safetensors", "config.yaml", "data.json"):
        assert (whole / name).read_bytes() == (cut / name).read_bytes()
    ours, theirs = (load_tensors(run / "resume.safetensors")[0] for run in (whole, cut))
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)
    assert any(name.startswith("ema.") for name in ours)
    assert epochs_kept(whole) == epochs_kept(cut) == summary(cut)["averaged_epochs"]
    for one, two in zip(metrics(whole), metrics(cut), strict=True):
        for key in ("validation_accuracy", "validation_loss", "loss"):
            assert one[key] == two[key]


def test_the_best_epochs_are_averaged_and_the_others_deleted(nested: Train) -> None:
    run = nested("exp", "train.epochs=4", "train.average_best=2", "optimizer.lr=0.02")
    lines = metrics(run)
    ranked = sorted(lines, key=lambda line: (-line["validation_accuracy"], line["validation_loss"]))
    best = sorted(line["epoch"] for line in ranked[:2])
    assert epochs_kept(run) == summary(run)["averaged_epochs"] == best
    assert summary(run)["weights"] == "best epochs averaged: 2, chosen on validation clips"
    assert summary(run)["validation"]["best_epoch"] == ranked[0]["epoch"]
    averaged = load_checkpoint(run).meta.facts["averaged"]
    assert averaged == [f"epoch_{epoch:04d}" for epoch in best]


def test_labels_heard_together_are_validated_by_mean_average_precision(nested: Train) -> None:
    loss = "loss={type: bce}"
    (line,) = metrics(nested("exp", loss, "train.epochs=1", "train.average_best=1"))
    assert 0 < line["validation_map"] <= 1
    assert "validation_accuracy" not in line


def test_patience_ends_a_run_that_does_not_get_better(nested: Train) -> None:
    run = nested("exp", "train.patience=1", "optimizer.lr=1.0", "train.epochs=9")
    assert summary(run)["epochs"] == len(metrics(run)) < 9
    assert epochs_kept(run) == [line["epoch"] for line in metrics(run)[-2:]]
    assert summary(run)["weights"].endswith("stopped early on validation clips")


def test_the_moving_average_is_saved_in_place_of_the_weights(nested: Train) -> None:
    short = "train.epochs=2"
    plain, averaged = nested("plain", short), nested("averaged", short, "train.ema=0.9")
    ours, theirs = (load_tensors(run / "resume.safetensors")[0] for run in (plain, averaged))
    for name in ours:
        assert torch.equal(ours[name], theirs[name])  # training is the same
    saved = load_tensors(averaged / "epochs/epoch_0002.safetensors")[0]
    assert all(torch.equal(saved[name], theirs[f"ema.{name}"]) for name in saved)
    assert not torch.equal(saved["head.output.weight"], theirs["model.head.output.weight"])
    assert summary(averaged)["weights"].endswith("of a moving average (0.9)")


@pytest.mark.parametrize("key", ["average_best", "patience"])
def test_choosing_without_clips_to_validate_on_is_refused_before_anything_is_written(
    train: Train, tmp_path: Path, key: str
) -> None:
    with pytest.raises(
        ConfigError, match=rf"`train\.{key}` goes by the validation clips, and there"
    ):
        train("exp", f"train.{key}=1")
    assert not (tmp_path / "exp").exists()


def test_test_selected_chooses_by_the_scored_fold_and_says_so(
    train: Train, caplog: pytest.LogCaptureFixture
) -> None:
    run = train("exp", "data.protocol=test_selected", "train.average_best=1", "train.epochs=2")
    assert summary(run)["weights"] == "best epoch, chosen on the test fold"
    assert [r for r in caplog.records if r.levelname == "WARNING" and "test_selected" in r.message]
    data = json.loads((run / "data.json").read_text())
    assert {name[:5] for name in data["validation_shards"]} == {"fold1"}


def test_a_probe_trains_the_head_alone_and_moves_no_norm(train: Train) -> None:
    start = train("start", "train.epochs=1", "train.average_last=1")
    options = (f"init.checkpoint={start}", "train.freeze=backbone", "train.average_last=1")
    run = train("probe", *options, "train.epochs=2")
    before, after = (load_tensors(each / "final.safetensors")[0] for each in (start, run))
    for name, tensor in before.items():
        assert torch.equal(tensor, after[name]) is not name.startswith("head."), name
