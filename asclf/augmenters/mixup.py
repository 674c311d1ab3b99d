"""Mixup: clips and their targets are mixed in pairs."""

from __future__ import annotations

from dataclasses import replace

import torch
from pydantic import PositiveFloat
from torch import Generator

from asclf.augmenters._draw import Probability
from asclf.augmenters._mixing import draw_shares, mix
from asclf.config import component_config
from asclf.protocols import Batch
from asclf.registry import AUGMENTERS


@component_config
class MixupConfig:
    """Options of `mixup`."""

    prob: Probability = 0.5
    """Probability that a clip is mixed with another of its batch."""
    alpha: PositiveFloat = 0.3
    """Of Beta(alpha, alpha), which the share is drawn from: below 1, mostly near 0 or 1."""


@AUGMENTERS.register("mixup", MixupConfig)
class Mixup:
    """Replaces clips by `share · clip + (1 − share) · partner`, waveforms and targets alike.

    Source: Zhang et al. (arXiv 1710.09412), equation 1, with a share for each clip. The partners
    are a permutation of the batch. A mixed clip is as long as the longer of the two.
    """

    def __init__(self, config: MixupConfig, *, sample_rate: int) -> None:  # noqa: ARG002
        self.config = config

    def augment_batch(self, batch: Batch, generator: Generator) -> Batch:
        """Mixes waveforms (B, S), targets (B, C) and lengths (B,); clip ids stay."""
        B = len(batch.targets)
        device = batch.targets.device
        partner = torch.randperm(B, generator=generator).to(device)
        share = draw_shares(B, self.config.alpha, self.config.prob, generator).to(device)
        lengths = batch.lengths
        if lengths is not None:
            lengths = lengths.maximum(lengths[partner]).where(share < 1, lengths)
        batch = batch.with_mixed_targets(lambda targets: mix(targets, partner, share))
        return replace(batch, waveform=mix(batch.waveform, partner, share), lengths=lengths)
