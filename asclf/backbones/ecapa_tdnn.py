"""ECAPA-TDNN: dilated one-dimensional convolutions, squeeze-excitation, attentive statistics.

Source: Desplanques, Thienpondt and Demuynck, "ECAPA-TDNN: Emphasized Channel Attention, Propagation
and Aggregation in TDNN Based Speaker Verification", Interspeech 2020 (arXiv 2005.07143). Figure 2
is the network, Figure 1 its block. One thing is read as the reference for sound classification
(the PyPI package `macls`, Apache-2.0) reads it: each block is fed by the one before it, not by the
sum of all before it. `tests/parity/test_ecapa_against_macls.py` holds the two to the same outputs.
"""

from __future__ import annotations

from typing import Annotated, cast

import torch
from pydantic import Field, PositiveInt
from torch import Tensor, nn
from torch.nn import functional

from asclf.backbones._blocks.conv1d import ConvReluNorm
from asclf.backbones._blocks.pooling import AttentiveStatisticsPooling, uniform_weights
from asclf.config import component_config
from asclf.masks import length_keep_mask
from asclf.protocols import LengthsPolicy
from asclf.registry import BACKBONES

DILATIONS = (2, 3, 4)  # of the three blocks; reflection needs one frame more than the largest
MIN_FRAMES = max(DILATIONS) + 1


@component_config
class EcapaTdnnConfig:
    """Options of `ecapa_tdnn`; the defaults are the paper's C = 512."""

    channels: Annotated[int, Field(gt=0, multiple_of=8)] = 512
    """Width of the first layer and of the three blocks; a multiple of 8."""
    aggregated_channels: PositiveInt = 1536
    """Width of the layer that aggregates the three blocks."""
    bottleneck_channels: PositiveInt = 128
    """Width of the squeeze-excitation's and the pooling's hidden layers."""
    embed_dim: PositiveInt = 192
    """Length of the embedding."""


@BACKBONES.register("ecapa_tdnn", EcapaTdnnConfig)
class EcapaTdnn(nn.Module):
    """Features (B, T, F) → embedding (B, D).

    `lengths_policy` is `equal`: the convolutions reflect at the end of the batch, not of the clip,
    so that padding reaches into the last frames of a shorter one. Where training pads all the same,
    the squeeze and the pooling leave padding out.
    """

    lengths_policy: LengthsPolicy = "equal"
    paper = "Desplanques et al. 2020, arXiv 2005.07143"

    def __init__(self, config: EcapaTdnnConfig, *, feat_dim: int) -> None:
        super().__init__()
        self.embed_dim = config.embed_dim
        self.stem = ConvReluNorm(feat_dim, config.channels, kernel_size=5)
        self.blocks = nn.ModuleList(
            SERes2Block(config.channels, config.bottleneck_channels, dilation)
            for dilation in DILATIONS
        )
        self.aggregate = ConvReluNorm(len(DILATIONS) * config.channels, config.aggregated_channels)
        self.pool = AttentiveStatisticsPooling(
            config.aggregated_channels, config.bottleneck_channels
        )
        self.norm = nn.BatchNorm1d(self.pool.output_dim)
        self.project = nn.Linear(self.pool.output_dim, config.embed_dim)

    def forward(self, feats: Tensor, lengths: Tensor | None = None) -> Tensor:
        """(B, T, F), (B,) frames → (B, D); below 5 frames, the last one is repeated."""
        # A branch would not be exported.
        missing = torch.sym_max(MIN_FRAMES - feats.shape[1], 0)  # type: ignore[no-untyped-call]
        x = functional.pad(feats.transpose(1, 2), (0, missing), mode="replicate")  # (B, F, T)
        keep_mask = None if lengths is None else length_keep_mask(lengths, x.shape[2])
        x = self.stem(x)  # (B, C, T)
        outputs = []
        for block in self.blocks:
            x = block(x, keep_mask)
            outputs.append(x)
        x = self.aggregate(torch.cat(outputs, dim=1))  # (B, C', T)
        return cast(Tensor, self.project(self.norm(self.pool(x, keep_mask))))


class SERes2Block(nn.Module):
    """1×1, dilated Res2Net convolution, 1×1, squeeze-excitation, plus the input (Figure 1)."""

    def __init__(self, channels: int, bottleneck_channels: int, dilation: int) -> None:
        super().__init__()
        self.enter = ConvReluNorm(channels, channels)
        self.res2 = Res2Conv(channels, dilation)
        self.leave = ConvReluNorm(channels, channels)
        self.excite = SqueezeExcitation(channels, bottleneck_channels)

    def forward(self, x: Tensor, keep_mask: Tensor | None) -> Tensor:
        """(B, C, T) → (B, C, T)."""
        y = self.leave(self.res2(self.enter(x)))
        return x + cast(Tensor, self.excite(y, keep_mask))


class Res2Conv(nn.Module):
    """Eight groups of channels; each but the first is convolved after adding the one before it.

    Source: Gao et al., Res2Net (arXiv 1904.01169), Figure 2b.
    """

    scale = 8

    def __init__(self, channels: int, dilation: int) -> None:
        super().__init__()
        width = channels // self.scale
        self.convs = nn.ModuleList(
            ConvReluNorm(width, width, kernel_size=3, dilation=dilation)
            for _ in range(self.scale - 1)
        )

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, T) → (B, C, T)."""
        first, *groups = x.chunk(self.scale, dim=1)  # 8 of (B, C / 8, T)
        outputs = [first]
        for conv, group in zip(self.convs, groups, strict=True):
            is_second = len(outputs) == 1  # which has no convolved group before it to add
            outputs.append(conv(group if is_second else group + outputs[-1]))
        return torch.cat(outputs, dim=1)


class SqueezeExcitation(nn.Module):
    """Scales each channel by a gate that sees the mean of all channels over time."""

    def __init__(self, channels: int, bottleneck_channels: int) -> None:
        super().__init__()
        self.squeeze = nn.Linear(channels, bottleneck_channels)
        self.expand = nn.Linear(bottleneck_channels, channels)

    def forward(self, x: Tensor, keep_mask: Tensor | None) -> Tensor:
        """(B, C, T) → (B, C, T)."""
        mean = (uniform_weights(x, keep_mask) * x).sum(2)  # (B, C)
        gate: Tensor = self.expand(functional.relu(self.squeeze(mean))).sigmoid()
        return x * gate.unsqueeze(2)
