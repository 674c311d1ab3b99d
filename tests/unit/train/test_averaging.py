"""Which epochs are averaged, which may still be, and when a run is over."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from asclf.config.experiment import TrainConfig
from asclf.train.averaging import Averaging, best_first
from asclf.train.tally import RunTally
from asclf.train.validation import Validation


def averaging(**options: Any) -> Averaging:
    return Averaging(TrainConfig(**{"epochs": 10, **options}))


def tally(*scores: float, losses: Sequence[float] | None = None) -> RunTally:
    """That of a run with as many epochs as there are scores."""
    losses = losses or [1.0] * len(scores)
    validations = tuple(map(Validation, scores, losses))
    return RunTally(epochs=len(scores), validations=validations)


def test_the_last_epochs_are_chosen_and_those_kept_that_may_be_among_them() -> None:
    rule = averaging(average_last=3)
    assert rule.chosen(RunTally(epochs=10)) == [8, 9, 10]
    assert rule.chosen(RunTally(epochs=2)) == [1, 2]
    assert [rule.may_be_chosen(RunTally(epochs=n)) for n in (7, 8, 9)] == [[], [8], [8, 9]]
    assert [rule.is_over(RunTally(epochs=n)) for n in (0, 9, 10)] == [False, False, True]


def test_the_best_are_chosen_by_score_then_loss_then_the_later_one() -> None:
    run = tally(0.5, 0.7, 0.7, 0.6, 0.7, losses=[9, 2, 1, 1, 2])
    assert best_first(run) == [3, 5, 2, 4, 1]
    assert averaging(average_best=2).chosen(run) == [3, 5]
    assert averaging(average_best=9).chosen(run) == [1, 2, 3, 4, 5]
    assert averaging(average_best=3).may_be_chosen(run) == [2, 3, 5]


def test_an_epoch_that_was_let_go_is_never_chosen_later() -> None:
    scores = (0.3, 0.8, 0.1, 0.6, 0.8, 0.2, 0.9, 0.5)
    for options in ({"average_best": 2}, {"average_last": 3, "patience": 5}, {"average_last": 2}):
        rule, kept = averaging(**options), set[int]()
        for done in range(1, len(scores) + 1):
            run = tally(*scores[:done])
            kept = {*kept, done} & {*rule.may_be_chosen(run)}
            if rule.is_over(run) or done == 10:
                assert {*rule.chosen(run)} <= kept


def test_patience_ends_a_run_so_many_epochs_after_its_best() -> None:
    rule = averaging(patience=2)
    assert not rule.is_over(tally())
    assert not rule.is_over(tally(0.5, 0.9, 0.8))
    assert rule.is_over(tally(0.5, 0.9, 0.8, 0.7))
    assert not rule.is_over(tally(0.5, 0.9, 0.8, 0.7, 0.95))
    assert rule.is_over(tally(*[0.5] * 10))
