"""CutMix in time: a stretch of each clip is replaced by the same stretch of another."""

from __future__ import annotations

from dataclasses import replace

import torch
from pydantic import PositiveFloat
from torch import Generator, Tensor

from asclf.augmenters._draw import Probability
from asclf.augmenters._mixing import draw_shares, mix
from asclf.augmenters._spans import in_span
from asclf.config import component_config
from asclf.protocols import Batch
from asclf.registry import AUGMENTERS


@component_config
class CutMixConfig:
    """Options of `cutmix`."""

    prob: Probability = 0.5
    """Probability that a clip gets a stretch of another of its batch."""
    alpha: PositiveFloat = 1.0
    """Of Beta(alpha, alpha), which the share that stays is drawn from: 1 is uniform."""


@AUGMENTERS.register("cutmix", CutMixConfig)
class CutMix:
    """Replaces a stretch of a clip's waveform by that of a partner; targets by the share of time.

    Source: Yun et al. (arXiv 1905.04899), with stretches of time in place of boxes. The partners
    are a permutation of the batch. A stretch lies where both clips have sound, and so is never
    padding; it is measured against the shorter clip, the targets' share against the clip itself.
    """

    def __init__(self, config: CutMixConfig, *, sample_rate: int) -> None:  # noqa: ARG002
        self.config = config

    def augment_batch(self, batch: Batch, generator: Generator) -> Batch:
        """Mixes waveforms (B, S) and targets (B, C); lengths and clip ids stay."""
        B, S = batch.waveform.shape
        partner = torch.randperm(B, generator=generator)
        share = draw_shares(B, self.config.alpha, self.config.prob, generator)
        lengths = torch.full((B,), S) if batch.lengths is None else batch.lengths.cpu()
        start, width = _draw_stretches(lengths.minimum(lengths[partner]), share, generator)
        device = batch.waveform.device
        partner, is_cut = partner.to(device), in_span(start, width, S).to(device)  # (B, S)
        kept = (1 - width / lengths).to(device)
        batch = batch.with_mixed_targets(lambda targets: mix(targets, partner, kept))
        return replace(batch, waveform=batch.waveform[partner].where(is_cut, batch.waveform))


def _draw_stretches(lengths: Tensor, share: Tensor, generator: Generator) -> tuple[Tensor, Tensor]:
    """Starts and widths (B,) of stretches that leave `share` (B,) of `lengths` (B,)."""
    width = ((1 - share) * lengths).round().long()
    place = torch.rand(len(lengths), generator=generator, dtype=torch.float64)
    return (place * (lengths - width + 1)).long(), width
