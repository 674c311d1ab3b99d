"""Whole runs: what their weights depend on, what they refuse, what they leave behind."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from asclf.checkpoint import load_checkpoint, load_tensors
from asclf.cli.main import main
from asclf.data.shards import ShardIndex
from asclf.errors import ConfigError, DataError, TrainError
from asclf.losses.cross_entropy import CrossEntropy
from asclf.score.experiment import score_experiment
from asclf.train.progress import Silent

Train = Callable[..., Path]

LEARN_FAST = (
    "augmenters=[]",
    "backbone.mask=null",
    "backbone.channels=[8, 8, 8, 8]",
    "data.crop_s=null",
    "loss.label_smoothing=0",
    "data.batch_size=9",
    "optimizer.lr=0.02",
    "train.epochs=25",
)

pytestmark = pytest.mark.filterwarnings("ignore:This DataLoader will create")


class StopError(Exception):
    """Stands for whatever ends a run early."""


class StopAfter(Silent):
    """Ends a run after the state of an epoch is written."""

    def __init__(self, epoch: int) -> None:
        self.epoch = epoch

    def end_epoch(self, record: Mapping[str, Any]) -> None:
        if record["epoch"] == self.epoch:
            raise StopError


class Events(Silent):
    """Notes what a run tells."""

    def __init__(self) -> None:
        self.told: list[object] = []

    def start_run(self, name: str, *, epochs: int, steps_per_epoch: int, done: int) -> None:
        self.told.append((name, epochs, steps_per_epoch, done))

    def step(self, scalars: Mapping[str, float]) -> None:
        self.told.append(scalars["loss"])

    def end_epoch(self, record: Mapping[str, Any]) -> None:
        self.told.append(record)

    def end_run(self) -> None:
        self.told.append("end")


def weights(run: Path) -> dict[str, Tensor]:
    return load_tensors(run / "final.safetensors")[0]


def same_weights(first: Path, second: Path) -> bool:
    one, two = weights(first), weights(second)
    return one.keys() == two.keys() and all(torch.equal(one[name], two[name]) for name in one)


def metrics(run: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


def summary(run: Path) -> dict[str, Any]:
    facts: dict[str, Any] = json.loads((run / "summary.json").read_text())
    return facts


def files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


# What the weights depend on -----------------------------------------------------------------------


def test_one_seed_gives_one_file_and_another_seed_another(train: Train) -> None:
    first, second, third = train("a"), train("b"), train("c", "seed=1")
    assert (first / "final.safetensors").read_bytes() == (second / "final.safetensors").read_bytes()
    assert not same_weights(first, third)


@pytest.mark.parametrize("workers", [1, 4])
def test_the_number_of_workers_changes_no_weight(train: Train, workers: int) -> None:
    assert same_weights(train("a"), train("b", f"data.num_workers={workers}"))


def test_what_else_the_process_does_changes_no_weight(train: Train) -> None:
    class Draws(Silent):
        def step(self, scalars: Mapping[str, float]) -> None:  # noqa: ARG002
            torch.rand(3)

    assert same_weights(train("a"), train("b", progress=Draws()))


@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
@pytest.mark.parametrize("done", [1, 2, 4])
def test_a_run_that_was_cut_short_ends_as_if_it_had_not_been(
    train: Train, optimizer: str, done: int
) -> None:
    whole = train("whole", f"optimizer.type={optimizer}")
    with pytest.raises(StopError):
        train("cut", f"optimizer.type={optimizer}", progress=StopAfter(done))
    events = Events()
    cut = train("cut", f"optimizer.type={optimizer}", resume=True, progress=events)
    assert events.told[0] == ("fold1", 4, 2, 2 * done)
    assert (whole / "final.safetensors").read_bytes() == (cut / "final.safetensors").read_bytes()
    assert files(whole) == files(cut)
    for one, two in zip(metrics(whole), metrics(cut), strict=True):
        timed = {"seconds", "clips_per_s"}
        assert one.keys() == two.keys()
        assert all(one[key] == two[key] for key in one.keys() - timed)


def test_time_adds_up_over_the_parts_of_a_run(train: Train) -> None:
    with pytest.raises(StopError):
        train("a", progress=StopAfter(2))
    run = train("a", resume=True)
    assert 60 * summary(run)["minutes"] == pytest.approx(sum(m["seconds"] for m in metrics(run)))
    assert summary(run)["clips_seen"] == 4 * 8
    assert summary(run)["steps"] == 8


def test_threads_are_put_back_after_a_run(train: Train) -> None:
    before = torch.get_num_threads()
    train("a", "train.num_threads=3", "train.epochs=1")
    assert torch.get_num_threads() == before


# What a run leaves behind -------------------------------------------------------------------------


def test_a_run_leaves_its_files_and_no_temporary_one(train: Train) -> None:
    run = train("exp")
    assert run.name == "fold1"
    assert files(run) == {
        ".lock",
        "config.yaml",
        "data.json",
        "environment.json",
        "leakage.json",
        "metrics.jsonl",
        "steps.jsonl",
        "epochs/epoch_0003.safetensors",
        "epochs/epoch_0004.safetensors",
        "resume.safetensors",
        "final.safetensors",
        "summary.json",
    }


def test_the_final_weights_are_the_mean_of_the_last_epochs(train: Train) -> None:
    run = train("exp")
    last = [load_tensors(run / f"epochs/epoch_000{epoch}.safetensors")[0] for epoch in (3, 4)]
    for name, tensor in weights(run).items():
        if tensor.is_floating_point():
            torch.testing.assert_close(tensor, (last[0][name] + last[1][name]) / 2)
        else:
            assert torch.equal(tensor, last[1][name])
    checkpoint = load_checkpoint(run)
    assert checkpoint.meta.facts == {"averaged": ["epoch_0003", "epoch_0004"]}
    assert checkpoint.meta.epoch == 4
    assert checkpoint.labels.names == ("high", "low", "mid")
    assert summary(run)["averaged_epochs"] == [3, 4]


def test_a_run_shorter_than_its_average_takes_all_epochs(train: Train) -> None:
    run = train("exp", "train.epochs=2", "train.average_last=5")
    assert summary(run)["averaged_epochs"] == [1, 2]
    assert load_checkpoint(run).meta.facts["averaged"] == ["epoch_0001", "epoch_0002"]


def test_the_summary_says_what_was_trained_on(train: Train) -> None:
    facts = summary(train("exp", folds=[2]))
    assert (facts["train_folds"], facts["test_fold"], facts["seed"]) == ([1], 2, 0)
    assert (facts["train_clips"], facts["clips_left_out_per_epoch"]) == (9, 1)
    assert facts["clips_skipped"] == 0
    run = train("exp", "data.test_fold=null")
    assert run.name == "all"
    assert (summary(run)["train_folds"], summary(run)["test_fold"]) == ([1, 2], None)


def test_lambda_is_logged_each_epoch_and_moves(train: Train) -> None:
    values = [record["lambda"] for record in metrics(train("exp"))]
    assert len(values) == 4
    assert all(0 < value < 1 for value in values)
    assert len(set(values)) == 4


def test_another_backbone_has_no_lambda(train: Train) -> None:
    small = "{type: ecapa_tdnn, channels: 8, aggregated_channels: 8, bottleneck_channels: 4}"
    assert "lambda" not in metrics(train("exp", f"backbone={small}", "train.epochs=1"))[0]


def test_progress_is_told_of_every_step(train: Train) -> None:
    events = Events()
    run = train("exp", "train.epochs=2", progress=events)
    first, second = metrics(run)
    start, *rest = events.told
    assert start == ("fold1", 2, 2, 0)
    losses = [rest[0], rest[1], rest[3], rest[4]]
    assert rest == [*losses[:2], first, *losses[2:], second, "end"]
    assert first["loss"] == pytest.approx(sum(losses[:2]) / 2)
    assert second["loss"] == pytest.approx(sum(losses[2:]) / 2)


def test_learning_rate_follows_the_schedule(train: Train) -> None:
    rates = [record["lr"] for record in metrics(train("exp", "optimizer.lr=0.002"))]
    assert rates[0] == pytest.approx(0.002)
    assert rates == sorted(rates, reverse=True)
    assert rates[-1] == pytest.approx(0.002 * 0.01)


# Learning -----------------------------------------------------------------------------------------


def test_the_toy_problem_is_learnt_and_generalises(train: Train) -> None:
    run = train("exp", *LEARN_FAST)
    losses = [record["loss"] for record in metrics(run)]
    assert losses[0] > 0.8
    assert sum(losses[-3:]) / 3 < 0.3 * losses[0]
    assert metrics(run)[-1]["accuracy"] > 0.8
    report, _ = score_experiment(run.parent, command="x")
    assert report.clips == 9
    assert report.correct >= 8


# What is refused, and when ------------------------------------------------------------------------


def test_no_clip_of_the_fold_left_out_is_needed(
    train: Train, own_shards: Path, tmp_path: Path
) -> None:
    index = ShardIndex.load(own_shards)
    for shard in index.select([1]):
        index.path(shard).unlink()
    run = train("exp", f"data.shards={own_shards}")
    assert same_weights(run, train("whole"))
    with pytest.raises(DataError, match=r"fold1-00000\.tar: the shard cannot be read"):
        score_experiment(tmp_path / "exp", command="x")


def test_a_flipped_byte_in_a_training_shard_is_one_line_and_status_2(
    toy_config: Path, own_shards: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = own_shards / "fold2-00001.tar"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    exp = str(tmp_path / "exp")
    shards = f"data.shards={own_shards}"
    assert main(["train", "--config", str(toy_config), "--exp", exp, shards]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"{path}: the shard has SHA-256 ")
    assert "expected " in line
    assert main(["train", "--config", str(toy_config), "--exp", exp, shards, "--folds=2"]) == 0


def test_a_clip_that_cannot_be_decoded_is_counted_and_named(
    train: Train, own_shards: Path, break_clips: Callable[[Path, int], list[str]]
) -> None:
    (broken,) = break_clips(own_shards, 1)
    run = train("exp", f"data.shards={own_shards}", "data.batch_size=9")
    assert [record["skipped"] for record in metrics(run)] == [1, 1, 1, 1]
    assert summary(run)["clips_skipped"] == 1
    assert summary(run)["skipped"][0].startswith(f"{broken}: cannot be decoded")
    assert summary(run)["clips_seen"] == 4 * 8


def test_a_batch_without_a_clip_is_passed_over_and_counted(
    train: Train, own_shards: Path, break_clips: Callable[[Path, int], list[str]]
) -> None:
    broken = break_clips(own_shards, 2)
    run = train("exp", f"data.shards={own_shards}", "data.batch_size=1", "train.epochs=2")
    assert [record["skipped"] for record in metrics(run)] == [2, 2]
    assert summary(run)["clips_seen"] == summary(run)["steps"] == 2 * 7
    assert [reason.split(":")[0] for reason in summary(run)["skipped"]] == sorted(broken)


def test_shards_without_one_good_clip_are_an_error(
    train: Train, own_shards: Path, break_clips: Callable[[Path, int], list[str]], tmp_path: Path
) -> None:
    break_clips(own_shards, 9)
    with pytest.raises(TrainError, match=r"not one clip can be decoded; the first: 2-\d: "):
        train("exp", f"data.shards={own_shards}")
    assert not (tmp_path / "exp" / "fold1" / "resume.safetensors").exists()


def test_a_fold_that_does_not_exist_stops_before_anything_is_written(
    train: Train, tmp_path: Path
) -> None:
    with pytest.raises(DataError, match="there is no fold 7"):
        train("exp", folds=[1, 7])
    assert not (tmp_path / "exp").exists()


def test_a_folder_that_is_taken_stops_before_the_first_run(train: Train, tmp_path: Path) -> None:
    train("exp", "seed=1", folds=[2])
    with pytest.raises(TrainError, match="this run has seed = 1"):
        train("exp", folds=[1, 2])
    assert not (tmp_path / "exp" / "fold1").exists()


def test_a_fold_named_twice_is_trained_once(train: Train, tmp_path: Path) -> None:
    events = Events()
    train("exp", "train.epochs=1", folds=[2, 1, 2], progress=events)
    starts = [event[0] for event in events.told if isinstance(event, tuple)]
    assert starts == ["fold2", "fold1"]
    assert {path.name for path in (tmp_path / "exp").iterdir()} == {"fold1", "fold2"}


def test_a_complete_run_is_passed_over_only_where_that_was_asked_for(train: Train) -> None:
    run = train("exp")
    before = {path: path.stat().st_mtime_ns for path in run.rglob("*")}
    events = Events()
    assert train("exp", resume=True, progress=events) == run
    assert events.told == []
    with pytest.raises(TrainError, match="there is a run of this configuration here already"):
        train("exp")
    assert before == {path: path.stat().st_mtime_ns for path in run.rglob("*")}


def test_a_changed_configuration_is_refused_with_its_key(train: Train) -> None:
    train("exp", "train.epochs=1")
    with pytest.raises(TrainError, match=r"has train\.epochs = 1; expected 3, as in") as caught:
        train("exp", "train.epochs=3", resume=True)
    assert caught.value.where.endswith("exp/fold1/config.yaml")


def test_keys_that_change_no_weight_may_change(train: Train, own_shards: Path) -> None:
    with pytest.raises(StopError):
        train("exp", progress=StopAfter(2))
    moved = ("data.num_workers=1", "data.score_batch_size=2", f"data.shards={own_shards}")
    assert same_weights(train("exp", *moved, resume=True), train("whole"))


def test_shards_must_be_named_and_have_the_sample_rate_of_the_model(train: Train) -> None:
    with pytest.raises(ConfigError, match=r"toy\.yaml: `data\.shards` is not set"):
        train("exp", "data.shards=null")
    with pytest.raises(ConfigError, match="are at 8000 Hz; expected sample_rate 16000 Hz"):
        train("exp", "sample_rate=16000")


def test_a_loss_that_is_made_for_another_head_stops_before_training(train: Train) -> None:
    with pytest.raises(ConfigError, match=r"expected \{type: cosine, scale: 30\}"):
        train("exp", "loss.type=aam_softmax")


@pytest.mark.fault
def test_a_loss_that_is_not_finite_names_the_clips_and_keeps_the_last_state(
    train: Train, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = train("whole")
    with monkeypatch.context() as patch, pytest.raises(TrainError) as caught:
        patch.setattr(CrossEntropy, "forward", _nan_in_calls(5, 6))
        train("exp", "train.stop_after_nonfinite=2")
    assert "in step 6 the loss is nan" in caught.value.what
    assert caught.value.what.endswith("; 2 steps in a row were like that")
    clips = caught.value.what.partition(", on ")[2].partition(";")[0]
    assert len(set(clips.split(", "))) == 4
    run = train("exp", "train.stop_after_nonfinite=2", resume=True)
    assert len(metrics(run)) == 4
    assert same_weights(run, whole)


@pytest.mark.fault
def test_one_step_that_is_not_finite_is_left_out_counted_and_named(
    train: Train, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(CrossEntropy, "forward", _nan_in_calls(5))
        run = train("exp")
    assert [record["nonfinite_steps"] for record in metrics(run)] == [0, 0, 1, 0]
    assert summary(run)["nonfinite_steps"] == 1
    (message,) = [r.getMessage() for r in caplog.records if "left out" in r.getMessage()]
    assert message.startswith("in step 5 the loss is nan")
    assert all(tensor.isfinite().all() for tensor in weights(run).values())


def _nan_in_calls(*numbers: int) -> Callable[..., Tensor]:
    calls = 0
    healthy = CrossEntropy.forward

    def forward(self: CrossEntropy, logits: Tensor, targets: Tensor) -> Tensor:
        nonlocal calls
        calls += 1
        loss = healthy(self, logits, targets)
        return loss * torch.nan if calls in numbers else loss

    return forward
