from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import pytest
import torch
from torch.optim.lr_scheduler import MultiStepLR, OneCycleLR

from asclf.registry import SCHEDULERS
from asclf.train.schedulers import Scheduler


def build(name: str, total_steps: int, **options: Any) -> Scheduler:
    """One with ten steps an epoch."""
    entry = SCHEDULERS.get(name)
    config = entry.configure(**options)
    scheduler: Scheduler = entry.build(config, total_steps=total_steps, steps_per_epoch=10)
    return scheduler


def make(total_steps: int, warmup_epochs: float = 2.0) -> Scheduler:
    return build("warmup_cosine", total_steps, warmup_epochs=warmup_epochs, min_lr_ratio=0.1)


def factors(scheduler: Scheduler, steps: int) -> list[float]:
    return [scheduler.factor(step) for step in range(steps)]


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


def test_a_straight_line_falls_by_the_same_part_in_each_step() -> None:
    scheduler = build("warmup_linear", 100, warmup_epochs=2.0, min_lr_ratio=0.2)
    assert factors(scheduler, 20) == factors(make(100), 20)
    falls = [one - two for one, two in pairwise(factors(scheduler, 100)[19:])]
    assert falls == pytest.approx([0.8 / 80] * 80)
    assert scheduler.factor(99) == scheduler.factor(500) == pytest.approx(0.2)


def test_a_constant_is_1_after_its_rise() -> None:
    assert factors(build("constant", 30), 40) == [1.0] * 40
    assert factors(build("constant", 30, warmup_epochs=0.2), 3) == [0.5, 1.0, 1.0]


@pytest.mark.filterwarnings("ignore:Detected call of `lr_scheduler.step")
def test_multistep_is_that_of_torch() -> None:
    scheduler = build("multistep", 60, milestones_epochs=(2.0, 4.5), drop=0.3)
    assert factors(scheduler, 60) == pytest.approx(_of_torch(MultiStepLR, 60, [20, 45], 0.3))


@pytest.mark.filterwarnings("ignore:Detected call of `lr_scheduler.step")
@pytest.mark.parametrize("total_steps", [7, 10, 300])
def test_one_cycle_is_that_of_torch(total_steps: int) -> None:
    scheduler = build("one_cycle", total_steps)
    expected = _of_torch(OneCycleLR, total_steps, max_lr=1.0, total_steps=total_steps)
    assert factors(scheduler, total_steps) == pytest.approx(expected)
    assert scheduler.factor(total_steps + 5) == pytest.approx(expected[-1])


def _of_torch(kind: Any, steps: int, *arguments: Any, **options: Any) -> list[float]:
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(()))], lr=1.0)
    scheduler = kind(optimizer, *arguments, **options)
    rates = []
    for step in range(steps):
        rates.append(scheduler.get_last_lr()[0])
        if step < steps - 1:
            scheduler.step()
    return rates
