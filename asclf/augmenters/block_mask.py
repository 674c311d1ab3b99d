"""Blocks of the time–frequency plane are masked."""

from __future__ import annotations

from torch import Generator, Tensor

from asclf.augmenters._draw import Probability, clips_that_happen
from asclf.config import component_config
from asclf.masks import BlockMaskOptions, block_keep_mask
from asclf.registry import AUGMENTERS


@component_config
class BlockMaskConfig(BlockMaskOptions):
    """Options of `block_mask`."""

    prob: Probability = 0.5
    """Probability that a clip is changed."""


@AUGMENTERS.register("block_mask", BlockMaskConfig)
class BlockMask:
    """Sets blocks of feats to 0, which is each bin's mean where the front end takes the mean off.

    The masks are those of SpectroMaskNet's local branch (`asclf.masks`), for any backbone.
    """

    def __init__(self, config: BlockMaskConfig, *, sample_rate: int) -> None:  # noqa: ARG002
        self.config = config

    def augment_feats(self, feats: Tensor, lengths: Tensor | None, generator: Generator) -> Tensor:
        """(B, T, F) → (B, T, F)."""
        B = len(feats)
        keep = block_keep_mask(feats, lengths, self.config, generator)
        chosen = clips_that_happen(B, self.config.prob, generator).reshape(B, 1, 1)
        return feats.masked_fill(~keep & chosen.to(feats.device), 0)
