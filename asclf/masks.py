"""Masks: what of a padded batch is valid, and which time–frequency blocks of feats are kept.

Here because front ends, augmenters and backbones use them, and none may import another.
Every mask is a keep_mask: True = keep.
"""

from __future__ import annotations

import math
from typing import Annotated, Literal

import torch
from pydantic import Field, PositiveInt
from torch import Generator, Tensor
from torch.nn.functional import pad

from asclf.config import component_config


@component_config
class BlockMaskOptions:
    """Which blocks of the time–frequency plane to mask.

    The defaults are the best fixed setting of the SpectroMaskNet paper (Table 3).
    """

    strategy: Literal["random", "grid", "high_energy"] = "random"
    """Independent blocks, regular squares, or the blocks with the most energy."""
    block_frames: PositiveInt = 10
    """Length of a block in frames."""
    block_bins: PositiveInt = 10
    """Height of a block in frequency bins."""
    ratio: Annotated[float, Field(ge=0, le=1)] = 0.5
    """Part of the plane that is masked: in the mean for random and grid, to a block otherwise."""


def length_keep_mask(lengths: Tensor, size: int) -> Tensor:
    """lengths (B,) in samples or frames → keep_mask (B, size), True before each clip's end."""
    return torch.arange(size, device=lengths.device) < lengths.unsqueeze(1)


def block_keep_mask(
    feats: Tensor,
    lengths: Tensor | None,
    options: BlockMaskOptions,
    generator: Generator | None = None,
) -> Tensor:
    """Draws one block mask a clip.

    Strategies (Chen et al., SpectroMaskNet, Table 3 and Fig. 9; the paper names them and no more):

    - `random`: the plane is tiled with blocks, and each is masked with probability `ratio`.
    - `grid`: squares at equal distances with a random phase, as GridMask (arXiv 2001.04086) places
      them; blocks of the given size whose period makes them cover `ratio` of the plane.
    - `high_energy`: of the tiled blocks, the `ratio` with the highest mean are masked; no draw.

    Args:
        feats: (B, T, F); only `high_energy` reads the values.
        lengths: (B,) valid frames, or `None`; padding neither counts as energy nor as area.
        options: Strategy, size and ratio.
        generator: On the CPU; `None` draws from torch's global one.

    Returns:
        keep_mask (B, T, F) bool on the device of `feats`.
    """
    if options.strategy == "grid":
        return _grid(feats, options, generator)
    if options.strategy == "high_energy":
        return _tile(_loud_blocks(feats, lengths, options).logical_not(), feats, options)
    shape = (len(feats), *_num_blocks(feats, options))
    return _tile(torch.rand(shape, generator=generator) >= options.ratio, feats, options)


def _num_blocks(feats: Tensor, options: BlockMaskOptions) -> tuple[int, int]:
    _, T, F = feats.shape
    return math.ceil(T / options.block_frames), math.ceil(F / options.block_bins)


def _tile(keep_blocks: Tensor, feats: Tensor, options: BlockMaskOptions) -> Tensor:
    _, T, F = feats.shape
    keep = keep_blocks.to(feats.device).repeat_interleave(options.block_frames, dim=1)
    return keep.repeat_interleave(options.block_bins, dim=2)[:, :T, :F]


def _grid(feats: Tensor, options: BlockMaskOptions, generator: Generator | None) -> Tensor:
    B, T, F = feats.shape
    phase = torch.rand((2, B, 1), generator=generator)
    if options.ratio == 0:
        return torch.ones_like(feats, dtype=torch.bool)
    stretch = options.ratio**-0.5  # the squares cover (block / period)² of the plane
    rows = _stripes(T, options.block_frames, stretch, phase[0])  # (B, T)
    columns = _stripes(F, options.block_bins, stretch, phase[1])  # (B, F)
    return ~(rows.unsqueeze(2) & columns.unsqueeze(1)).to(feats.device)  # (B, T, F)


def _stripes(size: int, width: int, stretch: float, phase: Tensor) -> Tensor:
    """(B, 1) phases → (B, size) True on stripes of `width`, one in each `width * stretch`."""
    period = width * stretch
    return torch.remainder(torch.arange(size) + phase * period, period) < width


def _loud_blocks(feats: Tensor, lengths: Tensor | None, options: BlockMaskOptions) -> Tensor:
    means, is_valid = _block_means(feats, lengths, options)  # (B, N), (B, N)
    means = means.masked_fill(~is_valid, -math.inf)
    order = means.argsort(dim=1, descending=True, stable=True)
    num_masked = (is_valid.sum(1, keepdim=True) * options.ratio).round()
    is_loud = order.argsort(dim=1) < num_masked  # the rank of each block; 0 = loudest
    return is_loud.reshape(len(feats), *_num_blocks(feats, options))  # (B, rows, columns)


def _block_means(
    feats: Tensor, lengths: Tensor | None, options: BlockMaskOptions
) -> tuple[Tensor, Tensor]:
    """Mean of the valid cells of each block, and whether it has any, both (B, N)."""
    valid = torch.ones_like(feats)
    if lengths is not None:
        valid *= length_keep_mask(lengths, feats.shape[1]).unsqueeze(2)
    total = _block_sums(feats.masked_fill(valid == 0, 0), options)
    count = _block_sums(valid, options)
    return total / count.clamp(min=1), count > 0


def _block_sums(values: Tensor, options: BlockMaskOptions) -> Tensor:
    """(B, T, F) → (B, N) sums over blocks; the last row and column may be narrower."""
    rows, columns = _num_blocks(values, options)
    B, T, F = values.shape
    height, width = options.block_frames, options.block_bins
    whole = pad(values, (0, columns * width - F, 0, rows * height - T))
    blocks = whole.reshape(B, rows, height, columns, width)
    return blocks.sum((2, 4)).flatten(1)  # (B, N)
