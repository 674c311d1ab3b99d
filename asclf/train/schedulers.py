"""Schedulers: the factor on the learning rate as a pure function of the step.

A scheduler has no state, so a resumed run needs nothing but its step to go on.
"""

from __future__ import annotations

import math
from typing import Annotated, Protocol

from pydantic import Field, NonNegativeFloat

from asclf.config import component_config
from asclf.registry import SCHEDULERS


class Scheduler(Protocol):
    """What the training loop asks before each step; built with the length of the run."""

    def factor(self, step: int) -> float:
        """What to multiply the optimizer's `lr` by in step `step`, the first being 0."""
        ...


@component_config
class WarmupCosineConfig:
    """Options of `warmup_cosine`."""

    warmup_epochs: NonNegativeFloat = 5.0
    """Epochs of linear rise; a run that is shorter rises to its end."""
    min_lr_ratio: Annotated[float, Field(ge=0, le=1)] = 0.01
    """The factor at the end of the run."""


@SCHEDULERS.register("warmup_cosine", WarmupCosineConfig)
class WarmupCosine:
    """Linear rise to 1, then half a cosine down to `min_lr_ratio` in the last step.

    Args:
        config: Warm-up and end.
        total_steps: Optimizer steps of the whole run.
        steps_per_epoch: Optimizer steps of one epoch.
    """

    def __init__(
        self, config: WarmupCosineConfig, *, total_steps: int, steps_per_epoch: int
    ) -> None:
        self.min_factor = config.min_lr_ratio
        self.warmup_steps = min(round(config.warmup_epochs * steps_per_epoch), total_steps)
        self.total_steps = total_steps

    def factor(self, step: int) -> float:
        """The factor of step `step`: never 0 in the first step, and constant after the last."""
        if step < self.warmup_steps:
            return (step + 1) / self.warmup_steps
        falling_steps = max(self.total_steps - self.warmup_steps, 1)
        progress = min((step + 1 - self.warmup_steps) / falling_steps, 1.0)
        return self.min_factor + (1 - self.min_factor) * (1 + math.cos(math.pi * progress)) / 2
