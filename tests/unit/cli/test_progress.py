"""What a terminal, and a log without one, show of a training run."""

from __future__ import annotations

import io
import logging

import pytest
from rich.console import Console
from rich.progress import Progress

from asclf.cli._progress import TrainingBars

STEP = {
    "step": 7,
    "epoch": 2,
    "loss": 1.2345,
    "grad_norm": 2.0,
    "lr": 0.0005,
    "clips_per_s": 81.4,
    "lambda": 0.4567,
    "mask_ratio": 0.3,
}
EPOCH = {
    "epoch": 2,
    "loss": 1.5,
    "accuracy": 0.25,
    "validation_accuracy": 0.2,
    "lr": 0.0005,
    "seconds": 30.0,
    "clips_per_s": 80.0,
}


@pytest.fixture
def progress() -> Progress:
    return Progress(console=Console(file=io.StringIO(), force_terminal=True))


def test_the_bar_stands_at_the_step_and_shows_its_numbers(progress: Progress) -> None:
    bars = TrainingBars(progress)
    bars.start_run("fold1", epochs=5, steps_per_epoch=4, done=6)
    (task,) = progress.tasks
    assert (task.completed, task.total) == (6, 20)
    bars.step(STEP)
    assert task.completed == 7
    assert task.description == (
        "fold1 epoch 2 loss 1.234 lr 5.0e-04 81 clips/s lambda 0.457 mask ratio 0.3"
    )
    bars.end_run()
    assert progress.tasks == []


def test_an_epoch_is_a_line_that_says_how_long_it_will_take(
    progress: Progress, caplog: pytest.LogCaptureFixture
) -> None:
    bars = TrainingBars(progress)
    with caplog.at_level(logging.INFO, "asclf"):
        bars.start_run("fold1", epochs=5, steps_per_epoch=4, done=6)
        bars.step(STEP)
        bars.end_epoch(EPOCH)
    assert caplog.messages == [
        "fold1: 5 epochs of 4 steps, 6 of 20 done",
        "fold1: epoch 2 of 5, loss 1.500, training accuracy 25.0 %, validation accuracy 0.2, "
        "lr 5.00e-04, lambda 0.457, mask ratio 0.3, 30.0 s, 80 clips/s, 0:01:30 to go",
    ]
