"""Pooling over time: frame embeddings (B, C, T) to one vector a clip.

    pool = build_pooling("asp", channels=512)
    pool(x, keep_mask)  # (B, 512, T), (B, T) True = keep → (B, pool.output_dim)

Every kind leaves padding out exactly; `keep_mask` is None where nothing is padded.
"""

from __future__ import annotations

import math
from typing import Literal, TypeAlias

import torch
from torch import Tensor, nn

from asclf.backbones._blocks.conv1d import ConvReluNorm

PoolingKind: TypeAlias = Literal["avg", "stats", "asp", "sap", "attention"]

MIN_VARIANCE = 1e-12


class TimePooling(nn.Module):
    """What all kinds have in common: (B, C, T), keep_mask (B, T) → (B, output_dim).

    Args:
        output_dim: Length of the vector that comes out.
    """

    def __init__(self, output_dim: int) -> None:
        super().__init__()
        self.output_dim = output_dim


def build_pooling(kind: PoolingKind, channels: int, hidden_channels: int = 128) -> TimePooling:
    """Makes a pooling.

    Args:
        kind: `avg`, `stats` (mean and deviation), `asp` (both, weighted by attention that sees the
            whole clip), `sap` (mean, weighted channel by channel) or `attention` (mean, weighted by
            heads).
        channels: C of the frames.
        hidden_channels: Width of the attention's hidden layer; `asp` and `sap` have one.
    """
    if kind == "asp":
        return AttentiveStatisticsPooling(channels, hidden_channels)
    if kind == "sap":
        return SelfAttentivePooling(channels, hidden_channels)
    simple = {"avg": AveragePooling, "stats": StatisticsPooling, "attention": HeadAttentionPooling}
    return simple[kind](channels)


class AveragePooling(TimePooling):
    """Mean over time."""

    def forward(self, x: Tensor, keep_mask: Tensor | None = None) -> Tensor:
        """(B, C, T), keep_mask (B, T) True = keep → (B, C)."""
        if keep_mask is None:
            return x.mean(2)
        return (uniform_weights(x, keep_mask) * x).sum(2)


class StatisticsPooling(TimePooling):
    """Mean and standard deviation over time.

    Source: Snyder et al., "X-vectors: Robust DNN embeddings for speaker recognition", ICASSP 2018.
    The variance is divided by T − 1, as the references of CAM++ and ERes2Net do; a single frame has
    none.
    """

    def __init__(self, channels: int) -> None:
        super().__init__(2 * channels)

    def forward(self, x: Tensor, keep_mask: Tensor | None = None) -> Tensor:
        """(B, C, T), keep_mask (B, T) True = keep → (B, 2 C): means, then deviations."""
        weights = uniform_weights(x, keep_mask)
        mean, deviation = weighted_statistics(x, weights)
        shrinkage = 1 - weights.square().sum(2)  # (T − 1) / T, (B or 1, 1)
        shrinkage = shrinkage.clamp(min=0.5)  # of two frames; one frame would divide 0 by 0
        return torch.cat([mean, deviation / shrinkage.sqrt()], dim=1)  # (B, 2 C)


class AttentiveStatisticsPooling(TimePooling):
    """Mean and standard deviation over time, weighted by channel-wise attention.

    Source: Desplanques et al., ECAPA-TDNN (arXiv 2005.07143), section 3.1. Every frame sees the
    clip's plain mean and deviation beside itself (the global context), and each channel has its own
    weights over the frames.

    Args:
        channels: C.
        hidden_channels: Width of the attention's hidden layer.
    """

    def __init__(self, channels: int, hidden_channels: int = 128) -> None:
        super().__init__(2 * channels)
        self.attention = nn.Sequential(
            ConvReluNorm(3 * channels, hidden_channels),
            nn.Tanh(),
            nn.Conv1d(hidden_channels, channels, 1),
        )

    def forward(self, x: Tensor, keep_mask: Tensor | None = None) -> Tensor:
        """(B, C, T), keep_mask (B, T) True = keep → (B, 2 C): means, then deviations."""
        context = torch.cat([x, *_spread(x, uniform_weights(x, keep_mask))], dim=1)
        weights = softmax_over_time(self.attention(context), keep_mask)  # (B, C, T)
        return torch.cat(weighted_statistics(x, weights), dim=1)  # (B, 2 C)


class SelfAttentivePooling(TimePooling):
    """Mean over time, weighted by what a hidden layer sees in each frame.

    Source: Cai, Chen and Li, "Exploring the encoding layer and loss function in end-to-end speaker
    and language recognition system", Odyssey 2018 (arXiv 1804.05160), section 3.2. As in the
    reference for sound classification (PyPI package `macls`), each channel has its own weights over
    the frames; the paper has one weight a frame.

    Args:
        channels: C.
        hidden_channels: Width of the attention's hidden layer.
    """

    def __init__(self, channels: int, hidden_channels: int = 128) -> None:
        super().__init__(channels)
        self.attention = nn.Sequential(
            nn.Conv1d(channels, hidden_channels, 1),
            nn.Tanh(),
            nn.Conv1d(hidden_channels, channels, 1),
        )

    def forward(self, x: Tensor, keep_mask: Tensor | None = None) -> Tensor:
        """(B, C, T), keep_mask (B, T) True = keep → (B, C)."""
        return (softmax_over_time(self.attention(x), keep_mask) * x).sum(2)


class HeadAttentionPooling(TimePooling):
    """Mean over time, weighted by heads that each compare their part of a frame with a query.

    Source: India, Safari and Hernando, "Self multi-head attention for speaker recognition",
    Interspeech 2019 (arXiv 1906.09890). C parameters in all. There are eight heads, or as many of
    them as the channels can be split among.
    """

    max_heads = 8

    def __init__(self, channels: int) -> None:
        super().__init__(channels)
        heads = math.gcd(self.max_heads, channels)
        self.queries = nn.Parameter(torch.empty(heads, channels // heads))
        nn.init.xavier_normal_(self.queries)

    def forward(self, x: Tensor, keep_mask: Tensor | None = None) -> Tensor:
        """(B, C, T), keep_mask (B, T) True = keep → (B, C)."""
        heads, width = self.queries.shape
        parts = x.reshape(x.shape[0], heads, width, -1)  # (B, H, C / H, T)
        scores = torch.einsum("bhct,hc->bht", parts, self.queries) / math.sqrt(width)
        weights = softmax_over_time(scores, keep_mask).unsqueeze(2)  # (B, H, 1, T)
        return (weights * parts).sum(3).flatten(1)  # (B, C)


def uniform_weights(x: Tensor, keep_mask: Tensor | None) -> Tensor:
    """Equal weights over the kept frames, (B or 1, 1, T), summing to 1."""
    if keep_mask is None:
        return x.new_full((1, 1, x.shape[2]), 1.0) / x.shape[2]
    kept = keep_mask.unsqueeze(1).to(x.dtype)  # (B, 1, T)
    return kept / kept.sum(2, keepdim=True)


def softmax_over_time(scores: Tensor, keep_mask: Tensor | None) -> Tensor:
    """Scores (B, C, T) → weights (B, C, T) over the kept frames, summing to 1."""
    if keep_mask is not None:
        scores = scores.masked_fill(~keep_mask.unsqueeze(1), -torch.inf)
    return scores.softmax(dim=2)


def weighted_statistics(x: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of (B, C, T) over time, both (B, C)."""
    mean = (weights * x).sum(2)
    variance = (weights * (x - mean.unsqueeze(2)).square()).sum(2)
    return mean, variance.clamp(min=MIN_VARIANCE).sqrt()


def _spread(x: Tensor, weights: Tensor) -> list[Tensor]:
    """Mean and deviation, each repeated for every frame: two of (B, C, T)."""
    return [value.unsqueeze(2).expand_as(x) for value in weighted_statistics(x, weights)]
