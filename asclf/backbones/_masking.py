"""The block masks of SpectroMaskNet's masked branch: fixed ones, and one that is learned.

Chen et al. (SpectroMaskNet) make ratio and block size "learnable parameters … optimized jointly
with the network weights through backpropagation", and give no gradient: a thresholded random mask
has none. Here the learned mask is soft where the gradient passes and hard where the network looks
(straight-through).
"""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal, TypeAlias

import torch
from pydantic import AfterValidator, Discriminator, Field, PositiveFloat, Tag
from torch import Tensor, nn

from asclf.config import component_config
from asclf.masks import BlockMaskOptions, block_keep_mask


def _increasing(bounds: tuple[float, float]) -> tuple[float, float]:
    if bounds[0] >= bounds[1]:
        raise ValueError("the lower bound is not below the upper one")
    return bounds


Increasing = AfterValidator(_increasing)
Ratio = Annotated[float, Field(ge=0, le=1)]
BlockSize = Annotated[float, Field(ge=1)]


@component_config
class LearnableMaskOptions:
    """A block mask that learns how much to mask, and in blocks of which size."""

    strategy: Literal["learnable"] = "learnable"
    """Random blocks whose ratio and size are parameters of the network."""
    ratio_bounds: Annotated[tuple[Ratio, Ratio], Increasing] = (0.1, 0.9)
    """Between which the masked part of the plane stays."""
    size_bounds: Annotated[tuple[BlockSize, BlockSize], Increasing] = (2.0, 24.0)
    """Between which the side of a block stays, in frames and in bins alike."""
    temperature: PositiveFloat = 0.1
    """Softness of the comparison of the noise, which is uniform in [0, 1), with the ratio."""
    edge: PositiveFloat = 0.2
    """Softness of the edges of the blocks, in frames and bins."""


def _kind(options: Any) -> str:
    strategy = options.get("strategy") if isinstance(options, dict) else options.strategy
    return "learnable" if strategy == "learnable" else "fixed"


MaskOptions: TypeAlias = Annotated[
    Annotated[BlockMaskOptions, Tag("fixed")] | Annotated[LearnableMaskOptions, Tag("learnable")],
    Discriminator(_kind),
]


def build_mask(options: BlockMaskOptions | LearnableMaskOptions) -> FixedMask | LearnableMask:
    """The mask of a configuration: feats (B, T, F), lengths (B,) → keep_mask (B, T, F)."""
    if isinstance(options, LearnableMaskOptions):
        return LearnableMask(options)
    return FixedMask(options)


class FixedMask(nn.Module):
    """`asclf.masks.block_keep_mask`, drawn from torch's global generator."""

    def __init__(self, options: BlockMaskOptions) -> None:
        super().__init__()
        self.options = options

    def forward(self, feats: Tensor, lengths: Tensor | None) -> Tensor:
        """Feats (B, T, F), lengths (B,) → keep_mask (B, T, F) bool."""
        return block_keep_mask(feats, lengths, self.options)

    def monitored(self) -> dict[str, float]:
        """Nothing: what is fixed stands in the configuration."""
        return {}


class LearnableMask(nn.Module):
    """Draws a block mask a clip, differentiable in its ratio and its block size.

    Uniform noise on a coarse grid, one value a block, is spread over the plane: a cell belongs to
    block k by σ(distance to the block's start / edge) − σ(distance to its end / edge), which
    depends on the block size. A cell is kept where its noise is above the ratio; the gradient is
    that of σ((noise − ratio) / temperature). Both parameters are sigmoids between their bounds,
    and their logits start at random.
    """

    def __init__(self, options: LearnableMaskOptions) -> None:
        super().__init__()
        self.options = options
        self.ratio_logit = nn.Parameter(torch.randn(()))
        self.size_logit = nn.Parameter(torch.randn(()))

    @property
    def ratio(self) -> Tensor:
        """Expected part of the plane that is masked, ()."""
        return bounded(self.ratio_logit, self.options.ratio_bounds)

    @property
    def block_size(self) -> Tensor:
        """Side of a block in frames and bins, ()."""
        return bounded(self.size_logit, self.options.size_bounds)

    def forward(self, feats: Tensor, lengths: Tensor | None) -> Tensor:  # noqa: ARG002
        """Feats (B, T, F) → keep_mask (B, T, F) of 0 and 1 with the gradient of the soft one."""
        soft = self.soft(self.noise(feats), feats.shape[1], feats.shape[2])
        return (soft > 0.5).to(soft) + (soft - soft.detach())

    def monitored(self) -> dict[str, float]:
        """Where ratio and block size are."""
        with torch.no_grad():
            return {"mask_ratio": float(self.ratio), "mask_block_size": float(self.block_size)}

    def noise(self, feats: Tensor) -> Tensor:
        """Uniform values for as many blocks as the smallest size asks for, (B, rows, columns)."""
        B, T, F = feats.shape
        smallest = self.options.size_bounds[0]
        shape = (B, math.ceil(T / smallest), math.ceil(F / smallest))
        return torch.rand(shape).to(feats)

    def soft(self, noise: Tensor, num_frames: int, num_bins: int) -> Tensor:
        """Noise (B, rows, columns) → soft keep_mask (B, T, F) in (0, 1)."""
        rows = self._membership(num_frames, noise.shape[1])  # (T, rows)
        columns = self._membership(num_bins, noise.shape[2])  # (F, columns)
        spread = rows @ noise @ columns.T  # (B, T, F)
        return torch.sigmoid((spread - self.ratio) / self.options.temperature)

    def _membership(self, length: int, num_blocks: int) -> Tensor:
        """How far each cell belongs to each block, (length, num_blocks); rows sum to 1."""
        cells = torch.arange(length, device=self.size_logit.device) + 0.5
        starts = torch.arange(1, num_blocks, device=self.size_logit.device) * self.block_size
        begun = torch.sigmoid((cells.unsqueeze(1) - starts) / self.options.edge)
        outside = begun.new_ones(length, 1), begun.new_zeros(length, 1)
        edges = torch.cat([outside[0], begun, outside[1]], dim=1)  # (length, num_blocks + 1)
        return edges[:, :-1] - edges[:, 1:]


def bounded(logit: Tensor, bounds: tuple[float, float]) -> Tensor:
    """A sigmoid between two bounds."""
    low, high = bounds
    return low + (high - low) * torch.sigmoid(logit)
