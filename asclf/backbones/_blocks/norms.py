"""Batch and group norm of maps (B, C, T, F) whose statistics leave padding out."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from asclf.backbones._blocks.valid import Valid, cut


class BatchNorm(nn.BatchNorm2d):
    """Batch norm over the valid cells; in evaluation, and without padding, torch's own."""

    def forward(self, x: Tensor, valid: Valid | None = None) -> Tensor:
        """(B, C, T, F) → (B, C, T, F), in training 0 where it is padding."""
        if valid is None or not self.training:
            return super().forward(x)
        rows = x.permute(0, 2, 3, 1)  # (B, T, F, C)
        cells = rows[valid.keep_mask].flatten(0, 1)  # (N, C), the valid ones side by side
        normed = super().forward(cells.T[None, :, :, None])  # (1, C, N, 1), channels last
        y = torch.zeros_like(rows)
        y[valid.keep_mask] = normed[0, :, :, 0].T.reshape(-1, *rows.shape[2:]).to(x.dtype)
        return y.permute(0, 3, 1, 2)  # (B, C, T, F)


class GroupNorm(nn.GroupNorm):
    """Group norm over each clip's valid cells; without padding torch's own."""

    def forward(self, x: Tensor, valid: Valid | None = None) -> Tensor:
        """(B, C, T, F) → (B, C, T, F)."""
        if valid is None:
            return super().forward(x)
        wide = widened(x)
        groups = wide.reshape(-1, x.shape[1] // self.num_groups, *x.shape[2:])  # (B·G, C/G, T, F)
        inside = Valid(valid.lengths.repeat_interleave(self.num_groups), x.shape[2])
        num_cells = inside.lengths.view(-1, 1, 1, 1) * (groups.shape[1] * groups.shape[3])
        mean, variance = moments(groups, inside, num_cells, dims=(1, 2, 3))  # (B · G, 1, 1, 1)
        y = (groups - mean) * (variance + self.eps).rsqrt()
        return scaled(y.reshape(x.shape), self.weight, self.bias).to(x.dtype)  # (B, C, T, F)


def widened(x: Tensor) -> Tensor:
    """X in float32 where it is narrower: sums over a map's cells do not fit into half precision."""
    return x.float() if x.dtype.itemsize < torch.float32.itemsize else x


def moments(
    x: Tensor, valid: Valid, num_cells: Tensor, dims: tuple[int, ...]
) -> tuple[Tensor, Tensor]:
    """Mean and biased variance of the valid cells over `dims`, which are kept with size 1."""
    mean = cut(x, valid).sum(dims, keepdim=True) / num_cells
    variance = cut((x - mean).square(), valid).sum(dims, keepdim=True) / num_cells
    return mean, variance


def scaled(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """(B, C, T, F) times a weight a channel, plus a bias a channel."""
    return x * weight.view(1, -1, 1, 1) + bias.view(1, -1, 1, 1)
