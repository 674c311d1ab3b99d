"""BC-ResNet: residual blocks whose costly half runs over time alone and is broadcast to all bins.

Source: Kim, Chang, Lee and Sung, "Broadcasted Residual Learning for Efficient Keyword Spotting",
Interspeech 2021 (arXiv 2106.04140). Table 1 lists the layers of BC-ResNet-1; the other sizes widen
it by τ. The authors' code (github.com/Qualcomm-AI-research/bcresnet, BSD-3-Clause-Clear) gives the
same outputs on the same weights, for the multiples of 40 bins that its five bands divide; here any
number works. Of the paper's 40 bins the last map keeps one; where more are left, the mean is over
them too, and where there are fewer, the last depthwise convolution is as high as its input.
"""

from __future__ import annotations

from typing import Annotated

import torch
from pydantic import Field, PositiveInt
from torch import Tensor, nn

from asclf.backbones._blocks.means import mean_over_frequency, mean_over_map
from asclf.backbones._blocks.norms import BatchNorm
from asclf.backbones._blocks.valid import Valid, cut
from asclf.config import component_config
from asclf.protocols import LengthsPolicy
from asclf.registry import BACKBONES

WIDENINGS = (1.0, 1.5, 2.0, 2.5)
"""Channels of the four stages as multiples of the first one's."""
DEPTHS = (2, 2, 4, 4)
STRIDES = (1, 2, 2, 1)
"""Over frequency, of the first block of each stage; no frame is ever left out."""
DILATIONS = (1, 2, 4, 8)
"""Over time, of all blocks of a stage."""
KERNEL = 5
"""Of the first convolution and the last depthwise one."""


@component_config
class BcResNetConfig:
    """Options of BC-ResNet; the defaults are BC-ResNet-1."""

    width: Annotated[int, Field(gt=0, multiple_of=2)] = 8
    """Channels of the first stage: 8 τ."""
    max_bands: PositiveInt = 5
    """Bands of bins with statistics of their own in the norms of the two-dimensional halves: this
    many, or the next lower number that divides the bins."""
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.1
    """Part of the channels that each one-dimensional half drops in training."""


@BACKBONES.register("bc_resnet_1", BcResNetConfig)
@BACKBONES.register("bc_resnet_1_5", BcResNetConfig, width=12)
@BACKBONES.register("bc_resnet_2", BcResNetConfig, width=16)
@BACKBONES.register("bc_resnet_3", BcResNetConfig, width=24)
@BACKBONES.register("bc_resnet_6", BcResNetConfig, width=48)
@BACKBONES.register("bc_resnet_8", BcResNetConfig, width=64)
class BcResNet(nn.Module):
    """Features (B, T, F) → embedding (B, D). Padding never changes a clip's embedding."""

    lengths_policy: LengthsPolicy = "masked"
    paper = "Kim et al. 2021, arXiv 2106.04140"
    reference = "Qualcomm-AI-research/bcresnet (BSD-3-Clause-Clear)"
    usual_feat_dim = 40

    def __init__(self, config: BcResNetConfig, *, feat_dim: int) -> None:
        super().__init__()
        channels, bins = 2 * config.width, halved(feat_dim)
        self.embed_dim = 4 * config.width
        self.stem = Layer(1, channels, KERNEL, stride=2)
        self.blocks = nn.ModuleList()
        for stage, depth in enumerate(DEPTHS):
            out_channels = int(WIDENINGS[stage] * config.width)
            for number in range(depth):
                stride = 1 if number else STRIDES[stage]
                block = BroadcastBlock(
                    config, (channels, out_channels), bins, stride, DILATIONS[stage]
                )
                self.blocks.append(block)
                channels, bins = out_channels, bins if stride == 1 else halved(bins)
        kernel = (KERNEL, min(KERNEL, bins))
        self.depthwise = nn.Conv2d(
            channels, channels, kernel, padding=(KERNEL // 2, 0), groups=channels, bias=False
        )
        self.pointwise = Layer(channels, self.embed_dim)

    def forward(self, feats: Tensor, lengths: Tensor | None = None) -> Tensor:
        """(B, T, F), (B,) frames → (B, D)."""
        valid = None if lengths is None else Valid(lengths, feats.shape[1])
        x = self.stem(cut(feats.unsqueeze(1), valid), valid)  # (B, C, T, ⌈F / 2⌉)
        for block in self.blocks:
            x = block(x, valid)
        x = self.pointwise(self.depthwise(cut(x, valid)), valid)  # (B, D, T, 1 or more)
        return mean_over_map(x, valid).flatten(1)  # (B, D)


class BroadcastBlock(nn.Module):
    """y = x + f2(x) + f1(mean of f2(x) over frequency), f1's result the same for all bins.

    Where the number of channels changes, a 1×1 convolution leads into f2 and x is not added
    (Figure 2, "transition block").
    """

    def __init__(
        self,
        config: BcResNetConfig,
        channels: tuple[int, int],
        bins: int,
        stride: int,
        dilation: int,
    ) -> None:
        super().__init__()
        C = channels[1]
        self.enter = Layer(*channels) if channels[0] != C else None
        self.frequency = nn.Conv2d(C, C, (1, 3), (1, stride), padding=(0, 1), groups=C, bias=False)
        self.bands = SubSpectralNorm(C, bins if stride == 1 else halved(bins), config.max_bands)
        self.temporal = nn.Conv2d(
            C, C, (3, 1), padding=(dilation, 0), dilation=(dilation, 1), groups=C, bias=False
        )
        self.norm = BatchNorm(C)
        self.mix = nn.Conv2d(C, C, 1, bias=False)
        self.dropout = nn.Dropout2d(config.dropout)

    def forward(self, x: Tensor, valid: Valid | None) -> Tensor:
        """(B, C, T, F) → (B, C', T, F or ⌈F / 2⌉)."""
        y = x if self.enter is None else self.enter(x, valid)
        y = self.bands(self.frequency(y), valid)  # f2
        z = self.temporal(cut(mean_over_frequency(y), valid))  # (B, C', T, 1)
        z = self.dropout(self.mix(nn.functional.silu(self.norm(z, valid))))  # f1
        return torch.relu_((x + y if self.enter is None else y) + z)


class SubSpectralNorm(nn.Module):
    """Batch norm with statistics and weights of its own for each band of neighbouring bins.

    Source: Chang et al., "SubSpectral Normalization for Neural Audio Data Processing" (arXiv
    2103.13620). Bands are equally wide: there are as many as divide the bins, `max_bands` at most.
    """

    def __init__(self, channels: int, bins: int, max_bands: int) -> None:
        super().__init__()
        self.num_bands = max(n for n in range(1, max_bands + 1) if bins % n == 0)
        self.norm = BatchNorm(self.num_bands * channels)

    def forward(self, x: Tensor, valid: Valid | None) -> Tensor:
        """(B, C, T, F) → (B, C, T, F)."""
        B, C, T, F = x.shape
        S = self.num_bands
        # Bands become channels. With the channels last in memory, a copy moves whole runs of them.
        bands = x.permute(0, 2, 3, 1).reshape(B, T, S, F // S, C)
        y: Tensor = bands.transpose(2, 3).flatten(3).permute(0, 3, 1, 2)  # (B, S C, T, F / S)
        y = self.norm(y, valid).permute(0, 2, 3, 1).reshape(B, T, F // S, S, C)
        return y.transpose(2, 3).flatten(2, 3).permute(0, 3, 1, 2)  # (B, C, T, F)


class Layer(nn.Module):
    """Convolution that keeps the number of frames, batch norm, ReLU."""

    def __init__(
        self, in_channels: int, out_channels: int, kernel: int = 1, stride: int = 1
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(
            in_channels, out_channels, kernel, (1, stride), padding=kernel // 2, bias=False
        )
        self.norm = BatchNorm(out_channels)

    def forward(self, x: Tensor, valid: Valid | None) -> Tensor:
        """(B, C, T, F) → (B, C', T, F or ⌈F / 2⌉)."""
        return torch.relu_(self.norm(self.conv(x), valid))


def halved(bins: int) -> int:
    """Bins after a stride of 2."""
    return -(-bins // 2)
