"""Batch and group norm of maps (B, C, T, F) whose statistics leave padding out."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from asclf.backbones._blocks.valid import Valid, cut


class BatchNorm(nn.BatchNorm2d):
    """Batch norm over the valid cells; in evaluation, and without padding, torch's own."""

    def forward(self, x: Tensor, valid: Valid | None = None) -> Tensor:
        """(B, C, T, F) → (B, C, T, F)."""
        if valid is None or not self.training:
            return super().forward(x)
        num_cells, wide = valid.lengths.sum() * x.shape[3], widened(x)
        mean, variance = moments(wide, valid, num_cells, dims=(0, 2, 3))  # (1, C, 1, 1)
        self._track(mean.detach().flatten(), variance.detach().flatten(), num_cells)
        y = (wide - mean) * (variance + self.eps).rsqrt()
        return scaled(y, self.weight, self.bias).to(x.dtype)

    def _track(self, mean: Tensor, variance: Tensor, num_cells: Tensor) -> None:
        assert self.running_mean is not None and self.running_var is not None
        assert self.num_batches_tracked is not None and self.momentum is not None
        unbiased = variance * num_cells / (num_cells - 1).clamp(min=1)
        with torch.no_grad():
            self.running_mean.lerp_(mean, self.momentum)
            self.running_var.lerp_(unbiased, self.momentum)
            self.num_batches_tracked += 1


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
