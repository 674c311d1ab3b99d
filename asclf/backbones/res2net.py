"""Res2Net: residual blocks that convolve their channels group by group, each adding the one before.

Source: Gao et al., "Res2Net: A New Multi-scale Backbone Architecture" (arXiv 1904.01169), Figure 2b
and Table 2. Three networks of this name are in use for sound; this is the one of the PyPI package
`macls` (Apache-2.0), which differs from the paper's for images: two groups instead of four, a
quarter of the channels, a stem with stride 3 and one cell of padding, and attentive statistics over
time in place of the mean over the map. One frame leaves for 48 that enter, which makes it cheap.
`tests/parity/test_resnets_against_macls.py` holds the two to the same outputs and gradients.
"""

from __future__ import annotations

from typing import Annotated, TypeVar, cast

import torch
from pydantic import Field, PositiveInt
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, max_pool2d, pad

from asclf.backbones._blocks.conv2d import (
    ConvNorm,
    PerStage,
    frames_of,
    halved,
    initialise,
    map_of,
)
from asclf.backbones._blocks.embedding import PooledEmbedding
from asclf.backbones._blocks.norms import BatchNorm
from asclf.backbones._blocks.pooling import PoolingKind
from asclf.backbones._blocks.short import repeat_last_frame
from asclf.backbones._blocks.valid import Valid, cut
from asclf.config import component_config
from asclf.protocols import LengthsPolicy
from asclf.registry import BACKBONES

Size = TypeVar("Size", int, Tensor)

STRIDES = (1, 2, 2, 2)
EXPANSION = 4


@component_config
class Res2NetConfig:
    """Options of `res2net`; the defaults are the reference's."""

    channels: PerStage = (32, 64, 128, 256)
    """Width of each stage; what leaves its blocks is four times as wide."""
    depths: PerStage = (3, 4, 6, 3)
    """Blocks in each stage."""
    groups: Annotated[int, Field(ge=2)] = 2
    """Groups of channels in a block; the paper's "scale"."""
    base_width: PositiveInt = 32
    """Channels of a group for 64 channels of a stage; the paper's "width"."""
    pooling: PoolingKind = "asp"
    """How frames become one vector."""
    embed_dim: PositiveInt = 192
    """Length of the embedding."""


@BACKBONES.register("res2net", Res2NetConfig)
class Res2Net(nn.Module):
    """Features (B, T, F) → embedding (B, D).

    Padding never changes a clip's embedding: it is set to zero before every convolution and
    pooling, and the last pooling does not count it.
    """

    lengths_policy: LengthsPolicy = "masked"
    paper = "Gao et al. 2019, arXiv 1904.01169"
    reference = "macls (Apache-2.0)"

    def __init__(self, config: Res2NetConfig, *, feat_dim: int) -> None:
        super().__init__()
        self.embed_dim = config.embed_dim
        self.stem = Stem(config.channels[0])
        self.blocks = nn.ModuleList()
        inputs = config.channels[0]
        for channels, depth, stride in zip(config.channels, config.depths, STRIDES, strict=True):
            width = max(1, channels * config.base_width // 64)
            self.blocks.append(OpeningBlock(inputs, channels, width, config.groups, stride))
            inputs = EXPANSION * channels
            for _ in range(depth - 1):
                self.blocks.append(Res2Block(inputs, channels, width, config.groups))
        frame_dim = inputs * halved(self.stem.bins(feat_dim), times=3)
        self.embed = PooledEmbedding(config.pooling, frame_dim, config.embed_dim)
        initialise(self)

    def forward(self, feats: Tensor, lengths: Tensor | None = None) -> Tensor:
        """(B, T, F), (B,) frames → (B, D)."""
        feats, lengths = repeat_last_frame(feats, lengths, self.stem.least)
        valid = None if lengths is None else Valid(lengths, feats.shape[1])
        x, valid = self.stem(map_of(feats), valid)  # (B, C, T', F'), a sixth of both
        for block in self.blocks:
            x, valid = block(x, valid)
        keep_mask = valid and valid.keep[:, 0, :, 0]
        return cast(Tensor, self.embed(frames_of(x), keep_mask))


class Stem(nn.Module):
    """Convolution 7×7 of stride 3, then the maximum over 3×3 with stride 2.

    It pads one cell, where 7×7 asks for three, so that the last one or two bins or frames may go
    unseen. Fewer than 5 bins are filled with zeros.
    """

    kernel, stride, padding = 7, 3, 1
    least = kernel - 2 * padding

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, channels, self.kernel, self.stride, self.padding, bias=False)
        self.norm = BatchNorm(channels)

    def forward(self, x: Tensor, valid: Valid | None) -> tuple[Tensor, Valid | None]:
        """(B, 1, T, F), T ≥ 5 → (B, C, T', F'), and which of its frames are valid."""
        x = self.conv(pad(cut(x, valid), (0, max(self.least - x.shape[3], 0))))
        valid = valid and Valid(self.convolved(valid.lengths), x.shape[2])
        x = cut(torch.relu_(self.norm(x, valid)), valid)
        return max_pool2d(x, 3, stride=2, padding=1), valid and valid.strided(2)

    def bins(self, feat_dim: int) -> int:
        """F'."""
        return halved(self.convolved(max(feat_dim, self.least)), times=1)

    def convolved(self, size: Size) -> Size:
        """What the convolution leaves of a size that is not below 5."""
        return (size - self.least) // self.stride + 1


class Res2Block(nn.Module):
    """1×1, 3×3 group by group, 1×1, each with a norm; plus the input.

    Each group but the first is convolved after adding what the one before it became. The last one
    goes on as it is.
    """

    def __init__(
        self, inputs: int, channels: int, width: int, groups: int, stride: int = 1
    ) -> None:
        super().__init__()
        self.groups = groups
        self.enter = ConvNorm(inputs, width * groups)
        self.convs = nn.ModuleList(
            ConvNorm(width, width, kernel=3, stride=stride) for _ in range(groups - 1)
        )
        self.leave = ConvNorm(width * groups, EXPANSION * channels)

    def forward(self, x: Tensor, valid: Valid | None) -> tuple[Tensor, Valid | None]:
        """(B, C, T, F) → (B, C, T, F), and which of its frames are valid."""
        *groups, last = torch.relu_(self.enter(x, valid)).chunk(self.groups, dim=1)
        outputs: list[Tensor] = []
        for conv, group in zip(self.convs, groups, strict=True):
            both = group + outputs[-1] if outputs else group
            outputs.append(torch.relu_(conv(both, valid)))
        y = self.leave(torch.cat([*outputs, last], dim=1), valid)
        y += x
        return torch.relu_(y), valid


class OpeningBlock(Res2Block):
    """The block that enters a stage: no group adds another, and the last one is averaged over 3×3.

    A stride is where each group is convolved or averaged.
    """

    def __init__(self, inputs: int, channels: int, width: int, groups: int, stride: int) -> None:
        super().__init__(inputs, channels, width, groups, stride)
        self.stride = stride
        self.shortcut = ConvNorm(inputs, EXPANSION * channels, stride=stride)

    def forward(self, x: Tensor, valid: Valid | None) -> tuple[Tensor, Valid | None]:
        """(B, C, T, F) → (B, C', ⌈T / stride⌉, ⌈F / stride⌉), and which of its frames are valid."""
        *groups, last = torch.relu_(self.enter(x, valid)).chunk(self.groups, dim=1)
        after = valid and valid.strided(self.stride)
        outputs = [
            torch.relu_(conv(group, valid)) for conv, group in zip(self.convs, groups, strict=True)
        ]
        outputs.append(avg_pool2d(cut(last, valid), 3, self.stride, padding=1))
        y = self.leave(torch.cat(outputs, dim=1), after)
        y += self.shortcut(x, valid)
        return torch.relu_(y), after
