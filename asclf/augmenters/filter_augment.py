"""FilterAugment: bands of frequency become louder or quieter."""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
import torch
from pydantic import AfterValidator, PositiveFloat, PositiveInt
from torch import Generator, Tensor

from asclf.augmenters._draw import Probability, Range, clips_that_happen, in_order, whole_number
from asclf.config import component_config
from asclf.masks import length_keep_mask
from asclf.registry import AUGMENTERS


@component_config
class FilterAugmentConfig:
    """Options of `filter_augment`; the defaults are those of the authors' code."""

    prob: Probability = 1.0
    """Probability that a clip is changed."""
    kind: Literal["linear", "step"] = "linear"
    """Gains run straight from edge to edge of the bands, or are one for each band."""
    gain_db: Range = (-6.0, 6.0)
    """Bounds of the gain at an edge (`linear`) or of a band (`step`), drawn uniformly."""
    num_bands: Annotated[tuple[PositiveInt, PositiveInt], AfterValidator(in_order)] = (3, 5)
    """Fewest and most bands."""
    min_bins: PositiveInt = 6
    """Width of the narrowest band; less where so many bands do not fit."""
    feats_per_db: PositiveFloat = 0.2303
    """What a decibel adds to the feats: ln(10) / 10 to natural logarithms of energies, a fifth of
    that to `efficientat_mel`."""


@AUGMENTERS.register("filter_augment", FilterAugmentConfig)
class FilterAugment:
    """Adds a random frequency response to logarithmic feats, as a room or a device would.

    Source: Nam et al. (arXiv 2110.03282), with bands drawn for each clip, not each batch. Feats
    must be logarithms of energies by frequency. A response that does not change with time is also
    what taking each bin's mean off removes, and this acts after the front end: with its
    `mean_norm`, a network meets such responses in training alone.
    """

    def __init__(self, config: FilterAugmentConfig, *, sample_rate: int) -> None:  # noqa: ARG002
        self.config = config

    def augment_feats(self, feats: Tensor, lengths: Tensor | None, generator: Generator) -> Tensor:
        """(B, T, F) → (B, T, F); padding stays as it is."""
        B, T, F = feats.shape
        chosen = clips_that_happen(B, self.config.prob, generator)
        gains = torch.stack([self._draw_gains_db(F, generator) for _ in range(B)])  # (B, F)
        added = (self.config.feats_per_db * gains * chosen.unsqueeze(1)).to(feats)
        if lengths is None:
            return feats + added.unsqueeze(1)
        return feats + added.unsqueeze(1) * length_keep_mask(lengths, T).unsqueeze(2)

    def _draw_gains_db(self, num_bins: int, generator: Generator) -> Tensor:
        """(F,) gains in decibels."""
        config = self.config
        num_bands = min(whole_number(*config.num_bands, generator), num_bins)
        edges = _draw_edges(num_bins, num_bands, config.min_bins, generator)
        low, high = config.gain_db
        gains = low + (high - low) * torch.rand(num_bands + 1, generator=generator)
        if config.kind == "step":
            return gains[:num_bands].repeat_interleave(edges.diff())
        return torch.from_numpy(np.interp(np.arange(num_bins), edges.numpy(), gains.numpy()))


def _draw_edges(num_bins: int, num_bands: int, min_bins: int, generator: Generator) -> Tensor:
    """(bands + 1,) edges from 0 to `num_bins`, at least `min_bins` apart where that fits."""
    narrowest = min(min_bins, num_bins // num_bands)
    spare = num_bins - num_bands * narrowest
    cuts = torch.randint(spare + 1, (num_bands - 1,), generator=generator).sort().values
    inner = cuts + narrowest * torch.arange(1, num_bands)
    return torch.cat([torch.tensor([0]), inner, torch.tensor([num_bins])])
