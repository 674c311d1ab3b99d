"""Freq-MixStyle: each bin's mean and deviation are mixed between clips."""

from __future__ import annotations

import torch
from pydantic import PositiveFloat
from torch import Generator, Tensor

from asclf.augmenters._draw import Probability
from asclf.augmenters._mixing import draw_shares, mix
from asclf.config import component_config
from asclf.masks import length_keep_mask
from asclf.registry import AUGMENTERS

SMALLEST_VARIANCE = 1e-6
"""Added to variances, so that a bin that does not change has a deviation."""


@component_config
class FreqMixStyleConfig:
    """Options of `freq_mixstyle`; the defaults are those of the DCASE baseline of 2024."""

    prob: Probability = 0.4
    """Probability that a clip's statistics are mixed with those of another of its batch."""
    alpha: PositiveFloat = 0.3
    """Of Beta(alpha, alpha), which a clip's own share is drawn from."""


@AUGMENTERS.register("freq_mixstyle", FreqMixStyleConfig)
class FreqMixStyle:
    """Gives a clip, bin by bin, a mean and deviation between its own and those of another clip.

    Source: MixStyle (Zhou et al., arXiv 2104.02008) with statistics over time for
    each frequency, which is where the recording device shows (Kim et al., arXiv 2206.12513).
    Targets stay. Clips are chosen one by one, not whole batches. Where the front end takes each
    bin's mean off, deviations alone are mixed.
    """

    def __init__(self, config: FreqMixStyleConfig, *, sample_rate: int) -> None:  # noqa: ARG002
        self.config = config

    def augment_feats(self, feats: Tensor, lengths: Tensor | None, generator: Generator) -> Tensor:
        """(B, T, F) → (B, T, F); padding stays as it is."""
        B, T, _ = feats.shape
        partner = torch.randperm(B, generator=generator).to(feats.device)
        share = draw_shares(B, self.config.alpha, self.config.prob, generator).to(feats.device)
        changes = (share < 1).reshape(B, 1, 1)
        if lengths is not None:
            changes = changes & length_keep_mask(lengths, T).unsqueeze(2)  # (B, T, 1)
        mean, deviation = _statistics(feats, lengths)
        normed = (feats - mean) / deviation
        mixed = normed * mix(deviation, partner, share) + mix(mean, partner, share)
        return mixed.where(changes, feats)


def _statistics(feats: Tensor, lengths: Tensor | None) -> tuple[Tensor, Tensor]:
    """Mean and deviation of each bin over the valid frames, both (B, 1, F)."""
    B, T, _ = feats.shape
    if lengths is None:
        lengths = torch.full((B,), T, device=feats.device)
    padding = ~length_keep_mask(lengths, T).unsqueeze(2)  # (B, T, 1)
    frames = lengths.reshape(B, 1, 1)
    mean = feats.masked_fill(padding, 0).sum(1, keepdim=True) / frames
    squares = (feats - mean).square().masked_fill(padding, 0)
    variance = squares.sum(1, keepdim=True) / frames
    return mean, (variance + SMALLEST_VARIANCE).sqrt()
