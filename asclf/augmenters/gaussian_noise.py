"""White noise at a random signal-to-noise ratio."""

from __future__ import annotations

import torch
from torch import Generator, Tensor

from asclf.augmenters._draw import Probability, Range, happens, uniform
from asclf.config import component_config
from asclf.registry import AUGMENTERS


@component_config
class GaussianNoiseConfig:
    """Options of `gaussian_noise`."""

    prob: Probability = 0.5
    """Probability that a clip is changed."""
    snr_db: Range = (10.0, 40.0)
    """Bounds of the signal-to-noise ratio, drawn uniformly."""


@AUGMENTERS.register("gaussian_noise", GaussianNoiseConfig)
class GaussianNoise:
    """Adds white Gaussian noise.

    The ratio refers to the power of the whole clip, so that digital silence stays silent. The sum
    may pass ±1 and is not clipped: nothing after it takes whole numbers, and clipping would
    add distortion that the recording does not have.
    """

    def __init__(self, config: GaussianNoiseConfig, *, sample_rate: int) -> None:  # noqa: ARG002
        self.config = config

    def augment_clip(self, waveform: Tensor, generator: Generator) -> Tensor:
        """(S,) → (S,)."""
        if not happens(self.config.prob, generator):
            return waveform
        snr_db = uniform(self.config.snr_db, generator)
        noise = torch.randn(waveform.shape, generator=generator)
        rms = waveform.square().mean().sqrt()
        return waveform + noise * rms * 10 ** (-snr_db / 20)
