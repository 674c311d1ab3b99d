"""ECAPA-TDNN: dilated one-dimensional convolutions, squeeze-excitation, attentive statistics.

Source: Desplanques, Thienpondt and Demuynck, "ECAPA-TDNN: Emphasized Channel Attention, Propagation
and Aggregation in TDNN Based Speaker Verification", Interspeech 2020 (arXiv 2005.07143). Figure 2
is the network, Figure 1 its block. One thing is read as the reference for sound classification
(the PyPI package `macls`, Apache-2.0) reads it: each block is fed by the one before it, not by the
sum of all before it. `tests/parity/test_tdnns_against_macls.py` holds the two to the same outputs.
"""

from __future__ import annotations

from typing import Annotated, cast

import torch
from pydantic import Field, PositiveInt
from torch import Tensor, nn
from torch.nn import functional

from asclf.backbones._blocks.conv1d import ConvReluNorm, frames_as_map, map_as_frames
from asclf.backbones._blocks.pooling import PoolingKind, build_pooling, mean_over_frames
from asclf.backbones._blocks.short import repeat_last_frame
from asclf.backbones._blocks.valid import Valid
from asclf.config import component_config
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
    pooling: PoolingKind = "asp"
    """How frames become one vector."""


@BACKBONES.register("ecapa_tdnn", EcapaTdnnConfig)
class EcapaTdnn(nn.Module):
    """Features (B, T, F) → embedding (B, D).

    `lengths_policy` is `equal`: the convolutions reflect at the end of the batch, not of the clip,
    so that padding reaches into the last frames of a shorter one. Where training pads all the same,
    the squeeze and the pooling leave padding out.
    """

    lengths_policy: LengthsPolicy = "equal"
    paper = "Desplanques et al. 2020, arXiv 2005.07143"
    reference = "macls (Apache-2.0)"

    def __init__(self, config: EcapaTdnnConfig, *, feat_dim: int) -> None:
        super().__init__()
        self.embed_dim = config.embed_dim
        self.stem = ConvReluNorm(feat_dim, config.channels, kernel_size=5)
        self.blocks = nn.ModuleList(
            SERes2Block(config.channels, config.bottleneck_channels, dilation)
            for dilation in DILATIONS
        )
        self.aggregate = ConvReluNorm(len(DILATIONS) * config.channels, config.aggregated_channels)
        self.pool = build_pooling(
            config.pooling, config.aggregated_channels, config.bottleneck_channels
        )
        self.norm = nn.BatchNorm1d(self.pool.output_dim)
        self.project = nn.Linear(self.pool.output_dim, config.embed_dim)

    def forward(self, feats: Tensor, lengths: Tensor | None = None) -> Tensor:
        """(B, T, F), (B,) frames → (B, D); below 5 frames, the last one is repeated."""
        feats, lengths = repeat_last_frame(feats, lengths, MIN_FRAMES)
        valid = None if lengths is None else Valid(lengths, feats.shape[1])
        x = self.stem(frames_as_map(feats), valid)  # (B, C, T, 1)
        outputs = []
        for block in self.blocks:
            x = block(x, valid)
            outputs.append(x)
        x = self.aggregate(torch.cat(outputs, dim=1), valid)  # (B, C', T, 1)
        frames = map_as_frames(x).transpose(1, 2)  # (B, C', T)
        pooled = self.pool(frames, valid and valid.keep_mask)
        return cast(Tensor, self.project(self.norm(pooled)))


class SERes2Block(nn.Module):
    """1×1, dilated Res2Net convolution, 1×1, squeeze-excitation, plus the input (Figure 1)."""

    def __init__(self, channels: int, bottleneck_channels: int, dilation: int) -> None:
        super().__init__()
        self.enter = ConvReluNorm(channels, channels)
        self.res2 = Res2Conv(channels, dilation)
        self.leave = ConvReluNorm(channels, channels)
        self.excite = SqueezeExcitation(channels, bottleneck_channels)

    def forward(self, x: Tensor, valid: Valid | None) -> Tensor:
        """(B, C, T, 1) → (B, C, T, 1)."""
        y = self.leave(self.res2(self.enter(x, valid), valid), valid)
        return x + cast(Tensor, self.excite(y, valid))


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

    def forward(self, x: Tensor, valid: Valid | None) -> Tensor:
        """(B, C, T, 1) → (B, C, T, 1)."""
        first, *groups = x.chunk(self.scale, dim=1)  # 8 of (B, C / 8, T, 1)
        outputs = [first]
        for conv, group in zip(self.convs, groups, strict=True):
            is_second = len(outputs) == 1  # which has no convolved group before it to add
            outputs.append(conv(group if is_second else group + outputs[-1], valid))
        return torch.cat(outputs, dim=1)


class SqueezeExcitation(nn.Module):
    """Scales each channel by a gate that sees the mean of all channels over time."""

    def __init__(self, channels: int, bottleneck_channels: int) -> None:
        super().__init__()
        self.squeeze = nn.Linear(channels, bottleneck_channels)
        self.expand = nn.Linear(bottleneck_channels, channels)

    def forward(self, x: Tensor, valid: Valid | None) -> Tensor:
        """(B, C, T, 1) → (B, C, T, 1)."""
        keep_mask = None if valid is None else valid.keep_mask
        mean = mean_over_frames(map_as_frames(x), keep_mask)  # (B, C)
        gate: Tensor = self.expand(functional.relu(self.squeeze(mean))).sigmoid()
        return x * gate[:, :, None, None]
