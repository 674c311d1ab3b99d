from __future__ import annotations

import math

import pytest

from asclf.registry import SCHEDULERS
from asclf.train.schedulers import Scheduler


def make(total_steps: int, warmup_epochs: float = 2.0, min_lr_ratio: float = 0.1) -> Scheduler:
    entry = SCHEDULERS.get("warmup_cosine")
    config = entry.configure(warmup_epochs=warmup_epochs, min_lr_ratio=min_lr_ratio)
    scheduler: Scheduler = entry.build(config, total_steps=total_steps, steps_per_epoch=10)
    return scheduler


def test_the_rise_is_linear_and_ends_at_1() -> None:
    scheduler = make(100)
    assert [scheduler.factor(step) for step in range(20)] == pytest.approx(
        [(step + 1) / 20 for step in range(20)]
    )


def test_the_fall_is_half_a_cosine_that_ends_at_the_smallest() -> None:
    scheduler = make(100)
    assert scheduler.factor(59) == pytest.approx((1 + 0.1) / 2)
    assert scheduler.factor(99) == pytest.approx(0.1)
    factors = [scheduler.factor(step) for step in range(19, 100)]
    assert factors == sorted(factors, reverse=True)
    assert scheduler.factor(39) == pytest.approx(0.1 + 0.9 * (1 + math.cos(math.pi / 4)) / 2)


def test_after_the_last_step_the_factor_stays() -> None:
    assert make(100).factor(500) == pytest.approx(0.1)


def test_without_warm_up_the_fall_begins_at_once() -> None:
    scheduler = make(100, warmup_epochs=0.0)
    assert scheduler.factor(0) == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize("total_steps", [1, 5, 20])
def test_a_run_shorter_than_its_warm_up_rises_to_its_end(total_steps: int) -> None:
    scheduler = make(total_steps)
    assert scheduler.factor(total_steps - 1) == 1
    assert 0 < scheduler.factor(0) <= 1


def test_half_an_epoch_of_warm_up_is_half_its_steps() -> None:
    assert make(100, warmup_epochs=0.5).factor(4) == 1
