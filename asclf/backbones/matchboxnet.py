"""MatchboxNet: residual blocks of separable convolutions over time, for spoken commands.

Source: Majumdar and Ginsburg, "MatchboxNet: 1D Time-Channel Separable Convolutional Neural Network
Architecture for Speech Commands Recognition", Interspeech 2020 (arXiv 2004.08531); a network of B
blocks, R convolutions a block and C channels is a MatchboxNet-BxRxC. Details are those of the
authors' toolkit (github.com/NVIDIA/NeMo, Apache-2.0), which gives the same outputs on the same
weights: the last convolution is not separable, and norms add 0.001 to the variance. The mean over
time is over the clip's own frames, where the toolkit's is over the padding too.
"""

from __future__ import annotations

from typing import Annotated, cast

import torch
from pydantic import Field, PositiveInt
from torch import Tensor, nn

from asclf.backbones._blocks.means import mean_over_time
from asclf.backbones._blocks.norms import BatchNorm
from asclf.backbones._blocks.valid import Valid, cut
from asclf.config import component_config
from asclf.protocols import LengthsPolicy
from asclf.registry import BACKBONES

ENTRY_KERNEL = 11
EXIT_KERNEL = 29
EXIT_DILATION = 2
NORM_EPS = 1e-3


@component_config
class MatchboxNetConfig:
    """Options of MatchboxNet; the defaults are MatchboxNet-3x1x64."""

    channels: PositiveInt = 64
    """Channels C of the residual blocks."""
    kernels: Annotated[tuple[PositiveInt, ...], Field(min_length=1)] = (13, 15, 17)
    """Kernel of each of the B residual blocks, in frames."""
    repeats: PositiveInt = 1
    """Convolutions R in each residual block."""
    embed_dim: PositiveInt = 128
    """Channels of the layers before and after the residual blocks; length of the embedding."""
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Part of the map that is dropped in training after each activation."""


@BACKBONES.register("matchboxnet", MatchboxNetConfig)
class MatchboxNet(nn.Module):
    """Features (B, T, F) → embedding (B, D). Padding never changes a clip's embedding."""

    lengths_policy: LengthsPolicy = "masked"
    paper = "Majumdar and Ginsburg 2020, arXiv 2004.08531"
    reference = "NVIDIA/NeMo (Apache-2.0)"
    usual_feat_dim = 64

    def __init__(self, config: MatchboxNetConfig, *, feat_dim: int) -> None:
        super().__init__()
        C, D = config.channels, config.embed_dim
        self.embed_dim = D
        self.dropout = nn.Dropout(config.dropout)
        self.enter = SeparableConv(feat_dim, D, ENTRY_KERNEL)
        self.blocks = nn.ModuleList(
            ResidualBlock(C if i else D, C, kernel, config)
            for i, kernel in enumerate(config.kernels)
        )
        self.leave = SeparableConv(C, D, EXIT_KERNEL, EXIT_DILATION)
        self.mix = nn.Conv2d(D, D, 1, bias=False)
        self.norm = BatchNorm(D, eps=NORM_EPS)

    def forward(self, feats: Tensor, lengths: Tensor | None = None) -> Tensor:
        """(B, T, F), (B,) frames → (B, D)."""
        valid = None if lengths is None else Valid(lengths, feats.shape[1])
        x = feats.transpose(1, 2).unsqueeze(3)  # (B, F, T, 1)
        x = self.dropout(torch.relu_(self.enter(x, valid)))  # (B, D, T, 1)
        for block in self.blocks:
            x = block(x, valid)  # (B, C, T, 1)
        x = self.dropout(torch.relu_(self.leave(x, valid)))  # (B, D, T, 1)
        x = self.dropout(torch.relu_(self.norm(self.mix(x), valid)))
        return mean_over_time(x, valid).flatten(1)  # (B, D)


class ResidualBlock(nn.Module):
    """Separable convolutions, plus the input through a 1×1 convolution of its own."""

    def __init__(
        self, in_channels: int, channels: int, kernel: int, config: MatchboxNetConfig
    ) -> None:
        super().__init__()
        self.convs = nn.ModuleList(
            SeparableConv(channels if i else in_channels, channels, kernel)
            for i in range(config.repeats)
        )
        self.shortcut = nn.Conv2d(in_channels, channels, 1, bias=False)
        self.norm = BatchNorm(channels, eps=NORM_EPS)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, x: Tensor, valid: Valid | None) -> Tensor:
        """(B, C, T, 1) → (B, C', T, 1)."""
        y = x
        for i, conv in enumerate(self.convs):
            if i:
                y = self.dropout(torch.relu_(y))
            y = conv(y, valid)
        return cast(Tensor, self.dropout(torch.relu_(y + self.norm(self.shortcut(x), valid))))


class SeparableConv(nn.Module):
    """A convolution of each channel over time, one of all channels frame by frame, a norm."""

    def __init__(self, in_channels: int, out_channels: int, kernel: int, dilation: int = 1) -> None:
        super().__init__()
        self.depthwise = nn.Conv2d(
            in_channels,
            in_channels,
            (kernel, 1),
            dilation=(dilation, 1),
            padding="same",
            groups=in_channels,
            bias=False,
        )
        self.pointwise = nn.Conv2d(in_channels, out_channels, 1, bias=False)
        self.norm = BatchNorm(out_channels, eps=NORM_EPS)

    def forward(self, x: Tensor, valid: Valid | None) -> Tensor:
        """(B, C, T, 1) → (B, C', T, 1)."""
        return cast(Tensor, self.norm(self.pointwise(self.depthwise(cut(x, valid))), valid))
