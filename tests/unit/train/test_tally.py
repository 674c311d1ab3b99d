from __future__ import annotations

from asclf.train.engine import StepResult
from asclf.train.tally import EpochTally, RunTally


def test_means_weigh_losses_by_clips_and_gradients_by_steps() -> None:
    epoch = EpochTally()
    epoch.add(StepResult(loss=1.0, grad_norm=2.0, hits=3, clips=6))
    epoch.add(StepResult(loss=4.0, grad_norm=4.0, hits=0, clips=2))
    assert epoch.means() == {"loss": 14 / 8, "accuracy": 3 / 8, "grad_norm": 3.0}


def test_a_run_adds_its_epochs_and_names_a_skipped_clip_once() -> None:
    first = EpochTally(steps=2, clips=7, skipped=("b: x",), seconds=1.5)
    run = RunTally(current=first)
    assert run.end_epoch() is first
    run.current = EpochTally(steps=3, clips=8, skipped=("a: x", "b: x"), seconds=2.0)
    run.end_epoch()
    assert run == RunTally(epochs=2, steps=5, clips=15, seconds=3.5, skipped=("b: x", "a: x"))


def test_a_run_names_every_commit_that_trained_it_once() -> None:
    run = RunTally()
    for commit in ("a", "b", None, "a"):
        run.begin(commit)
    assert run.commits == ("a", "b")
