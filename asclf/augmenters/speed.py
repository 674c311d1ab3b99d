"""A random change of speed, pitch and length together."""

from __future__ import annotations

from typing import Annotated

import torch
from pydantic import Field
from torch import Generator, Tensor

from asclf.audio.resample import resample
from asclf.augmenters._draw import Probability, happens, whole_number
from asclf.config import component_config
from asclf.registry import AUGMENTERS

Factor = Annotated[float, Field(ge=0.25, le=4)]


@component_config
class SpeedConfig:
    """Options of `speed`."""

    prob: Probability = 1.0
    """Probability that a clip's speed is drawn at all."""
    factors: Annotated[tuple[Factor, ...], Field(min_length=1)] = (0.9, 1.0, 1.1)
    """Speeds to choose from, each as likely; 2 is twice as fast and an octave higher."""


@AUGMENTERS.register("speed", SpeedConfig)
class Speed:
    """Plays a clip faster or slower by resampling it; its length changes by 1 / factor.

    Source: Ko et al., "Audio augmentation for speech recognition", Interspeech 2015.
    """

    def __init__(self, config: SpeedConfig, *, sample_rate: int) -> None:
        self.config = config
        self.sample_rate = sample_rate

    def augment_clip(self, waveform: Tensor, generator: Generator) -> Tensor:
        """(S,) → about (S / factor,), at least one sample."""
        if not happens(self.config.prob, generator):
            return waveform
        choice = whole_number(0, len(self.config.factors) - 1, generator)
        from_hz = round(self.sample_rate * self.config.factors[choice])
        if from_hz == self.sample_rate:
            return waveform
        changed = resample(waveform.numpy(), from_hz, self.sample_rate)
        return torch.from_numpy(changed) if len(changed) else waveform
