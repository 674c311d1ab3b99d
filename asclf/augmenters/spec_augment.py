"""SpecAugment: bands of time and of frequency are masked."""

from __future__ import annotations

import torch
from pydantic import NonNegativeInt
from torch import Generator, Tensor

from asclf.augmenters._draw import Probability, clips_that_happen
from asclf.augmenters._spans import in_span
from asclf.config import component_config
from asclf.registry import AUGMENTERS


@component_config
class SpecAugmentConfig:
    """Options of `spec_augment`."""

    prob: Probability = 1.0
    """Probability that a clip is changed."""
    num_time_masks: NonNegativeInt = 2
    """Bands of frames."""
    max_time_frames: NonNegativeInt = 40
    """Longest band of frames."""
    max_time_ratio: Probability = 0.2
    """Longest band of frames as a part of the clip: the p of the paper."""
    num_freq_masks: NonNegativeInt = 2
    """Bands of bins."""
    max_freq_bins: NonNegativeInt = 10
    """Widest band of bins."""


@AUGMENTERS.register("spec_augment", SpecAugmentConfig)
@AUGMENTERS.register("time_mask", SpecAugmentConfig, num_time_masks=1, num_freq_masks=0)
@AUGMENTERS.register("freq_mask", SpecAugmentConfig, num_time_masks=0, num_freq_masks=1)
class SpecAugment:
    """Sets bands of feats to 0, which is each bin's mean where the front end takes the mean off.

    Source: Park et al. (arXiv 1904.08779), section 2, without time warping. Widths are drawn from 0
    to the largest, places uniformly within the clip; padding is never chosen.
    """

    def __init__(self, config: SpecAugmentConfig, *, sample_rate: int) -> None:  # noqa: ARG002
        self.config = config

    def augment_feats(self, feats: Tensor, lengths: Tensor | None, generator: Generator) -> Tensor:
        """(B, T, F) → (B, T, F)."""
        B, T, F = feats.shape
        config = self.config
        frames = torch.full((B,), T) if lengths is None else lengths.cpu()
        longest = (frames * config.max_time_ratio).clamp(max=config.max_time_frames)
        bins = torch.full((B,), F)
        widest = bins.clamp(max=config.max_freq_bins)
        rows = _bands(T, frames, longest, config.num_time_masks, generator)  # (B, T)
        columns = _bands(F, bins, widest, config.num_freq_masks, generator)  # (B, F)
        masked = rows.unsqueeze(2) | columns.unsqueeze(1)  # (B, T, F)
        masked &= clips_that_happen(B, config.prob, generator).reshape(B, 1, 1)
        return feats.masked_fill(masked.to(feats.device), 0)


def _bands(size: int, ends: Tensor, widest: Tensor, count: int, generator: Generator) -> Tensor:
    """Draws `count` bands for each row: (B, size), True inside one; all lie before `ends` (B,)."""
    draws = torch.rand((2, len(ends), count), generator=generator)
    width = (draws[0] * (widest.floor().unsqueeze(1) + 1)).floor()  # (B, count)
    start = (draws[1] * (ends.unsqueeze(1) - width + 1)).floor()  # (B, count)
    return in_span(start, width, size).any(1)  # (B, size)
