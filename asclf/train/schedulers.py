"""Schedulers: the factor on the learning rate as a pure function of the step.

A scheduler has no state, so a resumed run needs nothing but its step to go on. All but `one_cycle`
begin with a linear rise to 1, the warm-up, and differ in what follows.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import Annotated, Protocol

from pydantic import Field, NonNegativeFloat, PositiveFloat

from asclf.config import component_config
from asclf.registry import SCHEDULERS

Share = Annotated[float, Field(ge=0, le=1)]
PositiveShare = Annotated[float, Field(gt=0, le=1)]


class Scheduler(Protocol):
    """What the training loop asks before each step; built with the length of the run."""

    def factor(self, step: int) -> float:
        """What to multiply the optimizer's `lr` by in step `step`, the first being 0."""
        ...


@component_config
class WarmupConfig:
    """What every schedule with a warm-up has."""

    warmup_epochs: NonNegativeFloat = 5.0
    """Epochs of linear rise; a run that is shorter rises to its end."""


@component_config
class WarmupFallConfig(WarmupConfig):
    """Options of `warmup_cosine` and `warmup_linear`."""

    min_lr_ratio: Share = 0.01
    """The factor at the end of the run."""


@component_config
class MultistepConfig(WarmupConfig):
    """Options of `multistep`."""

    milestones_epochs: tuple[PositiveFloat, ...] = (30.0, 45.0)
    """Epochs after each of which the rate falls."""
    drop: PositiveShare = 0.1
    """What the factor is multiplied by at a milestone."""


@component_config
class OneCycleConfig:
    """Options of `one_cycle`."""

    rise_share: Share = 0.3
    """The part of the run in which the rate rises."""
    start_lr_ratio: PositiveShare = 0.04
    """The factor in the first step."""
    min_lr_ratio: PositiveShare = 4e-6
    """The factor in the last step."""


class Warmup(ABC):
    """A linear rise to 1, and what a schedule makes of the steps after it.

    Args:
        config: Its length, and what follows.
        total_steps: Optimizer steps of the whole run.
        steps_per_epoch: Optimizer steps of one epoch.
    """

    def __init__(self, config: WarmupConfig, *, total_steps: int, steps_per_epoch: int) -> None:
        self.warmup_steps = min(round(config.warmup_epochs * steps_per_epoch), total_steps)
        self.total_steps = total_steps
        self.steps_per_epoch = steps_per_epoch

    def factor(self, step: int) -> float:
        """The factor of step `step`: never 0 in the first step, and constant after the last."""
        if step < self.warmup_steps:
            return (step + 1) / self.warmup_steps
        return self.after_warmup(min(step, self.total_steps - 1))

    def progress(self, step: int) -> float:
        """How much of what follows the warm-up is done by the end of a step, in (0, 1]."""
        falling_steps = max(self.total_steps - self.warmup_steps, 1)
        return (step + 1 - self.warmup_steps) / falling_steps

    @abstractmethod
    def after_warmup(self, step: int) -> float:
        """The factor of a step that is neither in the warm-up nor after the run."""


@SCHEDULERS.register("warmup_cosine", WarmupFallConfig)
class WarmupCosine(Warmup):
    """After the rise, half a cosine down to `min_lr_ratio` in the last step.

    Source: arXiv 1608.03983, equation 5, without restarts.
    """

    def __init__(self, config: WarmupFallConfig, *, total_steps: int, steps_per_epoch: int) -> None:
        super().__init__(config, total_steps=total_steps, steps_per_epoch=steps_per_epoch)
        self.min_factor = config.min_lr_ratio

    def after_warmup(self, step: int) -> float:
        """Half a cosine."""
        cosine = math.cos(math.pi * self.progress(step))
        return self.min_factor + (1 - self.min_factor) * (1 + cosine) / 2


@SCHEDULERS.register("warmup_linear", WarmupFallConfig)
class WarmupLinear(Warmup):
    """After the rise, a straight line down to `min_lr_ratio` in the last step."""

    def __init__(self, config: WarmupFallConfig, *, total_steps: int, steps_per_epoch: int) -> None:
        super().__init__(config, total_steps=total_steps, steps_per_epoch=steps_per_epoch)
        self.min_factor = config.min_lr_ratio

    def after_warmup(self, step: int) -> float:
        """A straight line."""
        return 1 - (1 - self.min_factor) * self.progress(step)


@SCHEDULERS.register("constant", WarmupConfig, warmup_epochs=0.0)
class Constant(Warmup):
    """After the rise, if there is one, 1 to the end."""

    def after_warmup(self, step: int) -> float:  # noqa: ARG002
        """1."""
        return 1.0


@SCHEDULERS.register("multistep", MultistepConfig, warmup_epochs=0.0)
class Multistep(Warmup):
    """After the rise, a drop at the end of each of some epochs."""

    def __init__(self, config: MultistepConfig, *, total_steps: int, steps_per_epoch: int) -> None:
        super().__init__(config, total_steps=total_steps, steps_per_epoch=steps_per_epoch)
        self.drop = config.drop
        self.milestones = [round(epoch * steps_per_epoch) for epoch in config.milestones_epochs]

    def after_warmup(self, step: int) -> float:
        """As many drops as there were milestones."""
        passed = sum(step >= milestone for milestone in self.milestones)
        return float(self.drop**passed)


@SCHEDULERS.register("one_cycle", OneCycleConfig)
class OneCycle:
    """Half a cosine up to 1, and half a cosine down to next to nothing; momentum stays as it is.

    Source: arXiv 1708.07120, in the form of torch.optim.lr_scheduler.OneCycleLR, which it equals.

    Args:
        config: Ends, and where the peak is.
        total_steps: Optimizer steps of the whole run.
        steps_per_epoch: Optimizer steps of one epoch; the cycle does not depend on it.
    """

    def __init__(
        self,
        config: OneCycleConfig,
        *,
        total_steps: int,
        steps_per_epoch: int,  # noqa: ARG002
    ) -> None:
        self.start, self.end = config.start_lr_ratio, config.min_lr_ratio
        self.last_step = total_steps - 1
        self.peak = max(config.rise_share * total_steps - 1, 0.0)  # a step, not always whole

    def factor(self, step: int) -> float:
        """The factor of step `step`, constant after the last."""
        if step < self.peak:
            return _half_cosine(self.start, 1.0, step / self.peak)
        falling_steps = max(self.last_step - self.peak, 1.0)
        return _half_cosine(1.0, self.end, min((step - self.peak) / falling_steps, 1.0))


def _half_cosine(start: float, end: float, share: float) -> float:
    return end + (start - end) * (1 + math.cos(math.pi * share)) / 2
