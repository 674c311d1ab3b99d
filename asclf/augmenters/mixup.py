"""Mixup: clips and their targets are mixed in pairs."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from pydantic import PositiveFloat
from torch import Generator, Tensor

from asclf.augmenters._draw import Probability, clips_that_happen
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
        share = self._draw_share(B, generator).to(device)
        lengths = batch.lengths
        if lengths is not None:
            lengths = lengths.maximum(lengths[partner]).where(share < 1, lengths)
        return replace(
            batch,
            waveform=_mix(batch.waveform, partner, share),
            targets=_mix(batch.targets, partner, share),
            lengths=lengths,
        )

    def _draw_share(self, num_clips: int, generator: Generator) -> Tensor:
        """(B,) shares of the clips themselves: Beta-distributed, or 1 where a clip is not mixed."""
        seed = int(torch.randint(2**62, (), generator=generator))  # torch's Beta takes no generator
        share = np.random.default_rng(seed).beta(self.config.alpha, self.config.alpha, num_clips)
        mixes = clips_that_happen(num_clips, self.config.prob, generator)
        return torch.from_numpy(share.astype(np.float32)).where(mixes, 1.0)


def _mix(values: Tensor, partner: Tensor, share: Tensor) -> Tensor:
    share = share.unsqueeze(1)  # (B, 1)
    return share * values + (1 - share) * values[partner]
