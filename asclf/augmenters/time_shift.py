"""A random shift in time."""

from __future__ import annotations

from typing import Literal

import torch
from pydantic import NonNegativeFloat
from torch import Generator, Tensor

from asclf.augmenters._draw import Probability, happens, whole_number
from asclf.config import component_config
from asclf.registry import AUGMENTERS


@component_config
class TimeShiftConfig:
    """Options of `time_shift`."""

    prob: Probability = 1.0
    """Probability that a clip is changed."""
    max_shift_s: NonNegativeFloat = 1.0
    """Largest shift in seconds, to either side; never more than the clip."""
    mode: Literal["roll", "shift"] = "roll"
    """What leaves at one end enters at the other (`roll`), or zeros enter (`shift`)."""


@AUGMENTERS.register("time_shift", TimeShiftConfig)
@AUGMENTERS.register("roll", TimeShiftConfig, max_shift_s=0.125)
class TimeShift:
    """Moves a clip's content earlier or later; its length stays.

    `roll` goes as far as EfficientAT's: 4000 samples at 32 kHz.
    """

    def __init__(self, config: TimeShiftConfig, *, sample_rate: int) -> None:
        self.config = config
        self.max_shift = round(config.max_shift_s * sample_rate)

    def augment_clip(self, waveform: Tensor, generator: Generator) -> Tensor:
        """(S,) → (S,)."""
        if not happens(self.config.prob, generator):
            return waveform
        limit = min(self.max_shift, len(waveform))
        shift = whole_number(-limit, limit, generator)
        if self.config.mode == "roll":
            return waveform.roll(shift)
        silence = waveform.new_zeros(abs(shift))
        if shift >= 0:
            return torch.cat([silence, waveform[: len(waveform) - shift]])
        return torch.cat([waveform[-shift:], silence])
