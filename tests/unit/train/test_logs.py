"""What a run writes down of its steps."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from asclf.errors import TrainError
from asclf.train.logs import StepLog
from asclf.train.progress import Silent

Train = Callable[..., Path]


class StopError(Exception):
    """Stands for whatever ends a run early."""


class StopIn(Silent):
    """Ends a run in a step."""

    def __init__(self, step: int) -> None:
        self.at = step

    def step(self, scalars: Mapping[str, float]) -> None:
        if scalars["step"] == self.at:
            raise StopError


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_every_step_is_a_line_with_every_number(train: Train) -> None:
    run = train("exp")
    steps = lines(run / "steps.jsonl")
    assert [(line["step"], line["epoch"]) for line in steps] == [
        (1, 1), (2, 1), (3, 2), (4, 2), (5, 3), (6, 3), (7, 4), (8, 4)
    ]  # fmt: skip
    names = {"step", "epoch", "loss", "grad_norm", "lr", "clips_per_s", "lambda"}
    assert all(set(line) >= names for line in steps)
    epochs = lines(run / "metrics.jsonl")
    for number, epoch in enumerate(epochs):
        both = steps[2 * number : 2 * number + 2]
        assert epoch["loss"] == pytest.approx(sum(line["loss"] for line in both) / 2)
        assert epoch["lr"] == both[-1]["lr"]
        assert epoch["lambda"] == both[-1]["lambda"]


def test_steps_that_are_done_again_are_written_once(train: Train) -> None:
    whole = lines(train("whole") / "steps.jsonl")
    with pytest.raises(StopError):
        train("exp", progress=StopIn(6))
    with pytest.raises(StopError):
        train("exp", progress=StopIn(5), resume=True)
    again = lines(train("exp", resume=True) / "steps.jsonl")
    for one, two in zip(whole, again, strict=True):
        assert {**one, "clips_per_s": 0} == {**two, "clips_per_s": 0}


@pytest.mark.parametrize("rest", ["", '{"st', '{"step": 3}', '{"step": 3}\n{"step": 4'])
def test_a_line_that_was_cut_short_goes(tmp_path: Path, rest: str) -> None:
    path = tmp_path / "steps.jsonl"
    path.write_text('{"step": 1}\n{"step": 2}\n' + rest, encoding="utf-8")
    with StepLog(path) as log:
        log.start_run("fold1", epochs=2, steps_per_epoch=2, done=2)
        log.step({"step": 3, "loss": 0.5})
    assert lines(path) == [{"step": 1}, {"step": 2}, {"step": 3, "loss": 0.5}]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the system has no /dev/full")
def test_a_log_that_cannot_be_written_is_an_error_that_names_it(tmp_path: Path) -> None:
    path = tmp_path / "steps.jsonl"
    with StepLog(path) as log, Path("/dev/full").open("wb", buffering=0) as full:
        log.start_run("fold1", epochs=1, steps_per_epoch=1, done=0)
        assert log._file is not None
        log._file.close()
        log._file = full
        with pytest.raises(TrainError, match="No space left on device; make room") as caught:
            log.step({"step": 1})
    assert caught.value.where == str(path)


def test_tensorboard_has_the_curves_of_steps_and_epochs(train: Train) -> None:
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    with pytest.raises(StopError):
        train("exp", "train.tensorboard=true", progress=StopIn(6))
    run = train("exp", "train.tensorboard=true", resume=True)
    events = accumulator.EventAccumulator(str(run / "tensorboard"))
    events.Reload()
    for group, file, step in (("step", "steps", 1), ("epoch", "metrics", 2)):
        curve = events.Scalars(f"{group}/loss")
        expected = lines(run / f"{file}.jsonl")
        assert [point.step for point in curve] == [step * (i + 1) for i in range(len(expected))]
        assert [point.value for point in curve] == pytest.approx([e["loss"] for e in expected])
    assert "step/lambda" in events.Tags()["scalars"]


def test_without_tensorboard_nothing_is_written_for_it(
    train: Train, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "torch.utils.tensorboard", None)
    assert not (train("exp", "train.tensorboard=true", "train.epochs=1") / "tensorboard").exists()
