"""What every scheduler promises."""

from __future__ import annotations

import math

from asclf.registry import Entry
from asclf.testing._tools import Check

RUNS = ((1, 1), (7, 10), (300, 10))  # (steps of the run, steps of an epoch)


def check_factors_are_finite_and_positive(entry: Entry) -> None:
    """Every step of a run, be it shorter than an epoch, has a factor above 0."""
    for total_steps, steps_per_epoch in RUNS:
        scheduler = entry.build(total_steps=total_steps, steps_per_epoch=steps_per_epoch)
        for step in range(total_steps):
            factor = scheduler.factor(step)
            assert isinstance(factor, float)
            assert math.isfinite(factor), f"step {step} of {total_steps}: {factor}"
            assert factor > 0, f"step {step} of {total_steps}: {factor}"


def check_factor_depends_on_the_step_alone(entry: Entry) -> None:
    """Asked in another order, the factors are the same, so that a resumed run needs no state."""
    total_steps, steps_per_epoch = RUNS[-1]
    scheduler = entry.build(total_steps=total_steps, steps_per_epoch=steps_per_epoch)
    forwards = [scheduler.factor(step) for step in range(total_steps)]
    backwards = [scheduler.factor(step) for step in reversed(range(total_steps))]
    assert forwards == backwards[::-1]


CHECKS: tuple[Check, ...] = (
    check_factors_are_finite_and_positive,
    check_factor_depends_on_the_step_alone,
)
