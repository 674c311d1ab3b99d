"""Pooling over time: frame embeddings (B, C, T) to one vector a clip.

    pool = build_pooling("asp", channels=512)
    pool(x, keep_mask)  # (B, 512, T), (B, T) True = keep → (B, pool.output_dim)

Every kind leaves padding out exactly; `keep_mask` is None where nothing is padded.

Inside, frames are (B, T, C): so a map with the channels last lies in memory, and its gradient comes
back with the channels last too.
"""

from __future__ import annotations

import math
from typing import Literal, TypeAlias

import torch
from torch import Tensor, nn
from torch.nn import functional

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
        return mean_over_frames(x.transpose(1, 2), keep_mask)


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
        frames = x.transpose(1, 2)  # (B, T, C)
        mean, deviation = weighted_statistics(frames, uniform_weights(frames, keep_mask))
        count = frames.new_ones(1, 1) * x.shape[2] if keep_mask is None else keep_mask.sum(1, True)
        correction = (count / (count - 1).clamp(min=1)).sqrt()  # (B or 1, 1)
        return torch.cat([mean, correction * deviation], dim=1)  # (B, 2 C)


class AttentiveStatisticsPooling(TimePooling):
    """Mean and standard deviation over time, weighted by channel-wise attention.

    Source: Desplanques et al., ECAPA-TDNN (arXiv 2005.07143), section 3.1. Every frame sees the
    clip's plain mean and deviation beside itself (the global context), and each channel has its own
    weights over the frames. What the hidden layer makes of the context is the same for all frames,
    and is computed once.

    Args:
        channels: C.
        hidden_channels: Width of the attention's hidden layer.
    """

    def __init__(self, channels: int, hidden_channels: int = 128) -> None:
        super().__init__(2 * channels)
        self.hidden = nn.Conv2d(3 * channels, hidden_channels, 1)
        self.norm = nn.BatchNorm2d(hidden_channels)
        self.scores = nn.Conv2d(hidden_channels, channels, 1)

    def forward(self, x: Tensor, keep_mask: Tensor | None = None) -> Tensor:
        """(B, C, T), keep_mask (B, T) True = keep → (B, 2 C): means, then deviations."""
        frames = x.transpose(1, 2)  # (B, T, C)
        context = weighted_statistics(frames, uniform_weights(frames, keep_mask))
        hidden = functional.relu(self._hidden(x, torch.cat(context, dim=1)), inplace=True)
        scores = self.scores(self.norm(hidden).tanh())  # (B, C, T, 1)
        weights = softmax_over_time(scores.squeeze(3).transpose(1, 2), keep_mask)  # (B, T, C)
        return torch.cat(weighted_statistics(frames, weights), dim=1)  # (B, 2 C)

    def _hidden(self, x: Tensor, context: Tensor) -> Tensor:
        """Frames (B, C, T) above their context (B, 2 C), through the hidden layer: (B, H, T, 1)."""
        C, kernel = x.shape[1], self.hidden.weight  # (H, 3 C, 1, 1)
        of_frames = functional.conv2d(x.unsqueeze(3), kernel[:, :C], self.hidden.bias)
        of_clip = functional.linear(context, kernel[:, C:].flatten(1))  # (B, H)
        return of_frames + of_clip[:, :, None, None]


class SelfAttentivePooling(TimePooling):
    """Mean over time, weighted by what a hidden layer sees in each frame.

    Source: Cai, Chen and Li, "Exploring the encoding layer and loss function in end-to-end speaker
    and language recognition system", Odyssey 2018 (arXiv 1804.05160). As in the reference for sound
    classification (PyPI package `macls`), each channel has its own weights over the frames; the
    paper has one weight a frame.

    Args:
        channels: C.
        hidden_channels: Width of the attention's hidden layer.
    """

    def __init__(self, channels: int, hidden_channels: int = 128) -> None:
        super().__init__(channels)
        self.hidden = nn.Conv2d(channels, hidden_channels, 1)
        self.scores = nn.Conv2d(hidden_channels, channels, 1)

    def forward(self, x: Tensor, keep_mask: Tensor | None = None) -> Tensor:
        """(B, C, T), keep_mask (B, T) True = keep → (B, C)."""
        scores = self.scores(self.hidden(x.unsqueeze(3)).tanh())  # (B, C, T, 1)
        weights = softmax_over_time(scores.squeeze(3).transpose(1, 2), keep_mask)  # (B, T, C)
        return weighted_mean(x.transpose(1, 2), weights)


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
        parts = x.transpose(1, 2).reshape(x.shape[0], -1, heads, width)  # (B, T, H, C / H)
        scores = (parts * self.queries).sum(3) / math.sqrt(width)  # (B, T, H)
        weights = softmax_over_time(scores, keep_mask)
        return (weights.unsqueeze(3) * parts).sum(1).flatten(1)  # (B, C)


def mean_over_frames(frames: Tensor, keep_mask: Tensor | None) -> Tensor:
    """(B, T, C), keep_mask (B, T) True = keep → (B, C)."""
    return weighted_mean(frames, uniform_weights(frames, keep_mask))


def uniform_weights(frames: Tensor, keep_mask: Tensor | None) -> Tensor | None:
    """Equal weights over the kept frames of (B, T, C), which sum to 1: (B, T, 1)."""
    if keep_mask is None:
        return None
    kept = keep_mask.unsqueeze(2).to(frames.dtype)  # (B, T, 1)
    return kept / kept.sum(1, keepdim=True)


def softmax_over_time(scores: Tensor, keep_mask: Tensor | None) -> Tensor:
    """Scores (B, T, C) → weights (B, T, C) over the kept frames, which sum to 1."""
    if keep_mask is not None:
        scores = scores.masked_fill(~keep_mask.unsqueeze(2), -torch.inf)
    return scores.softmax(dim=1)


def weighted_mean(frames: Tensor, weights: Tensor | None) -> Tensor:
    """Mean of (B, T, C) over time, (B, C); the frames weigh the same where `weights` is `None`."""
    return frames.mean(1) if weights is None else (weights * frames).sum(1)


def weighted_statistics(frames: Tensor, weights: Tensor | None) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of (B, T, C) over time, both (B, C); weights as above."""
    mean = weighted_mean(frames, weights)
    variance = weighted_mean((frames - mean.unsqueeze(1)).square(), weights)
    return mean, variance.clamp(min=MIN_VARIANCE).sqrt()
