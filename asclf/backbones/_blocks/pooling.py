"""Pooling over time: frame embeddings (B, C, T) to one vector a clip."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from asclf.backbones._blocks.conv1d import ConvReluNorm

MIN_VARIANCE = 1e-12


class AttentiveStatisticsPooling(nn.Module):
    """Mean and standard deviation over time, weighted by channel-wise attention.

    Source: Desplanques et al., ECAPA-TDNN (arXiv 2005.07143), section 3.1. Every frame sees the
    clip's plain mean and deviation beside itself (the global context), and each channel has its own
    weights over the frames.

    Args:
        channels: C.
        hidden_channels: Width of the attention's hidden layer.
    """

    def __init__(self, channels: int, hidden_channels: int = 128) -> None:
        super().__init__()
        self.output_dim = 2 * channels
        self.attention = nn.Sequential(
            ConvReluNorm(3 * channels, hidden_channels),
            nn.Tanh(),
            nn.Conv1d(hidden_channels, channels, 1),
        )

    def forward(self, x: Tensor, keep_mask: Tensor | None = None) -> Tensor:
        """(B, C, T), keep_mask (B, T) True = keep → (B, 2 C): means, then deviations."""
        context = torch.cat([x, *_spread(x, uniform_weights(x, keep_mask))], dim=1)
        scores = self.attention(context)  # (B, C, T)
        if keep_mask is not None:
            scores = scores.masked_fill(~keep_mask.unsqueeze(1), -torch.inf)
        return torch.cat(weighted_statistics(x, scores.softmax(dim=2)), dim=1)  # (B, 2 C)


def uniform_weights(x: Tensor, keep_mask: Tensor | None) -> Tensor:
    """Equal weights over the kept frames, (B or 1, 1, T), summing to 1."""
    if keep_mask is None:
        return x.new_full((1, 1, x.shape[2]), 1.0) / x.shape[2]
    kept = keep_mask.unsqueeze(1).to(x.dtype)  # (B, 1, T)
    return kept / kept.sum(2, keepdim=True)


def weighted_statistics(x: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of (B, C, T) over time, both (B, C)."""
    mean = (weights * x).sum(2)
    variance = (weights * (x - mean.unsqueeze(2)).square()).sum(2)
    return mean, variance.clamp(min=MIN_VARIANCE).sqrt()


def _spread(x: Tensor, weights: Tensor) -> list[Tensor]:
    """Mean and deviation, each repeated for every frame: two of (B, C, T)."""
    return [value.unsqueeze(2).expand_as(x) for value in weighted_statistics(x, weights)]
