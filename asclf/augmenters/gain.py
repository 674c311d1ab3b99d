"""A random gain."""

from __future__ import annotations

from torch import Generator, Tensor

from asclf.augmenters._draw import Probability, Range, happens, uniform
from asclf.config import component_config
from asclf.registry import AUGMENTERS

SILENCE = 1e-9  # a peak below it is no reason to hold a gain back


@component_config
class GainConfig:
    """Options of `gain`."""

    prob: Probability = 0.5
    """Probability that a clip is changed."""
    gain_db: Range = (-6.0, 6.0)
    """Bounds of the gain, drawn uniformly in decibels."""


@AUGMENTERS.register("gain", GainConfig)
class Gain:
    """Makes a clip louder or quieter.

    A boost stops where the clip's peak reaches full scale: a waveform keeps to [−1, 1], and no
    sample is clipped. A front end that levels clips undoes the gain, and one that takes the mean
    off log features undoes nearly all of it.
    """

    def __init__(self, config: GainConfig, *, sample_rate: int) -> None:  # noqa: ARG002
        self.config = config

    def augment_clip(self, waveform: Tensor, generator: Generator) -> Tensor:
        """(S,) → (S,)."""
        if not happens(self.config.prob, generator):
            return waveform
        gain = 10 ** (uniform(self.config.gain_db, generator) / 20)
        peak = max(waveform.abs().max().item(), SILENCE)
        return waveform * min(gain, max(1.0, 1 / peak))
