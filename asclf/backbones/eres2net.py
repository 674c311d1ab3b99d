"""ERes2Net: residual blocks of chained 3×3 convolutions, and a fusion of the stages' outputs.

Source: Chen et al., "An Enhanced Res2Net with Local and Global Feature Fusion for Speaker
Verification", Interspeech 2023 (arXiv 2305.12838), and of version 2 Chen et al., "ERes2NetV2:
Boosting Short-Duration Speaker Verification Performance with Computational Efficiency", Interspeech
2024 (arXiv 2406.02167), which fuses the last two stages alone and narrows the blocks. Sizes and
the fusion's weights are those of the reference for sound classification, which are its base models:
the PyPI package `macls` (Apache-2.0). `tests/parity/test_resnets_against_macls.py` holds the two to
the same outputs and gradients.
"""

from __future__ import annotations

from typing import Annotated, Literal, cast

import torch
from pydantic import Field, PositiveInt
from torch import Tensor, nn
from torch.nn.functional import hardtanh, silu

from asclf.backbones._blocks.conv2d import ConvNorm, PerStage, frames_of, halved, map_of
from asclf.backbones._blocks.pooling import PoolingKind, build_pooling
from asclf.backbones._blocks.valid import Valid, cut
from asclf.config import component_config
from asclf.protocols import LengthsPolicy
from asclf.registry import BACKBONES

STRIDES = (1, 2, 2, 2)
EXPANSION = 2
CEILING = 20.0
"""Of the blocks' activations, which are ReLU below it."""
FUSION_REDUCTION = 4


@component_config
class ERes2NetConfig:
    """Options of `eres2net` and `eres2netv2`; the defaults are the former's."""

    channels: PerStage = (32, 64, 128, 256)
    """Width of each stage; what leaves its blocks is twice as wide."""
    depths: PerStage = (3, 4, 6, 3)
    """Blocks in each stage."""
    groups: Annotated[int, Field(ge=2)] = 2
    """Groups of channels in a block; the paper's "scale"."""
    base_width: PositiveInt = 32
    """Channels of a group for 64 channels of a stage."""
    fuse_from: Literal[1, 2, 3] = 1
    """The first stage whose output is fused with those of all later ones."""
    pooling: PoolingKind = "stats"
    """How frames become one vector."""
    embed_dim: PositiveInt = 192
    """Length of the embedding."""


@BACKBONES.register("eres2net", ERes2NetConfig)
@BACKBONES.register("eres2netv2", ERes2NetConfig, base_width=26, fuse_from=3)
class ERes2Net(nn.Module):
    """Features (B, T, F) → embedding (B, D).

    Padding never changes a clip's embedding: it is set to zero before every convolution, and the
    pooling does not count it.
    """

    lengths_policy: LengthsPolicy = "masked"
    paper = "Chen et al. 2023, arXiv 2305.12838; version 2: 2024, arXiv 2406.02167"
    reference = "macls (Apache-2.0)"

    def __init__(self, config: ERes2NetConfig, *, feat_dim: int) -> None:
        super().__init__()
        self.embed_dim = config.embed_dim
        self.stem = ConvNorm(1, config.channels[0], kernel=3)
        widths = [config.channels[0], *(EXPANSION * channels for channels in config.channels)]
        self.stages = nn.ModuleList(Stage(config, i, widths[i]) for i in range(4))
        fused = widths[config.fuse_from :]
        self.fusions = nn.ModuleList(map(StageFusion, fused[:-1], fused[1:]))
        self.pool = build_pooling(config.pooling, widths[-1] * halved(feat_dim, times=3))
        self.project = nn.Linear(self.pool.output_dim, config.embed_dim)

    def forward(self, feats: Tensor, lengths: Tensor | None = None) -> Tensor:
        """(B, T, F), (B,) frames → (B, D)."""
        valid = None if lengths is None else Valid(lengths, feats.shape[1])
        x = torch.relu_(self.stem(map_of(feats), valid))  # (B, C, T, F)
        outputs: list[tuple[Tensor, Valid | None]] = []
        for stage in self.stages:
            x, valid = stage(x, valid)
            outputs.append((x, valid))
        later = outputs[-len(self.fusions) :]
        fused, valid = outputs[-len(self.fusions) - 1]
        for fusion, (x, valid_of_x) in zip(self.fusions, later, strict=True):
            fused, valid = fusion(x, fused, valid), valid_of_x
        keep_mask = valid and valid.keep[:, 0, :, 0]
        return cast(Tensor, self.project(self.pool(frames_of(fused), keep_mask)))


class Stage(nn.Module):
    """Blocks of one width; the first has the stride."""

    def __init__(self, config: ERes2NetConfig, number: int, inputs: int) -> None:
        super().__init__()
        channels = config.channels[number]
        sizes = channels, max(1, channels * config.base_width // 64), config.groups
        self.blocks = nn.ModuleList()
        for i in range(config.depths[number]):
            stride = 1 if i else STRIDES[number]
            self.blocks.append(Res2Block(inputs, *sizes, stride, fuses=number >= 2))
            inputs = EXPANSION * channels

    def forward(self, x: Tensor, valid: Valid | None) -> tuple[Tensor, Valid | None]:
        """(B, C, T, F) → (B, C', ⌈T / stride⌉, ⌈F / stride⌉), and which of its frames are valid."""
        for block in self.blocks:
            x, valid = block(x, valid)
        return x, valid


class Res2Block(nn.Module):
    """1×1, 3×3 group by group, 1×1, each with a norm; plus the input (Figure 2).

    Each group but the first is merged with what the one before it became, and then convolved:
    added, or where the block `fuses`, by attentive fusion (local feature fusion).
    """

    def __init__(
        self, inputs: int, channels: int, width: int, groups: int, stride: int, *, fuses: bool
    ) -> None:
        super().__init__()
        outputs = EXPANSION * channels
        self.stride = stride
        self.enter = ConvNorm(inputs, width * groups, stride=stride)
        self.convs = nn.ModuleList(ConvNorm(width, width, kernel=3) for _ in range(groups))
        self.merges = nn.ModuleList(
            AttentiveFusion(width) if fuses else Sum() for _ in range(groups - 1)
        )
        self.leave = ConvNorm(width * groups, outputs)
        is_same = stride == 1 and inputs == outputs
        self.shortcut = None if is_same else ConvNorm(inputs, outputs, stride=stride)

    def forward(self, x: Tensor, valid: Valid | None) -> tuple[Tensor, Valid | None]:
        """(B, C, T, F) → (B, C', ⌈T / stride⌉, ⌈F / stride⌉), and which of its frames are valid."""
        after = valid and valid.strided(self.stride)
        first, *groups = clipped(self.enter(x, valid)).chunk(len(self.convs), dim=1)
        outputs = [clipped(self.convs[0](first, after))]
        for merge, conv, group in zip(self.merges, self.convs[1:], groups, strict=True):
            outputs.append(clipped(conv(merge(outputs[-1], group, after), after)))
        y = self.leave(torch.cat(outputs, dim=1), after)
        y += x if self.shortcut is None else self.shortcut(x, valid)
        return clipped(y), after


class Sum(nn.Module):
    """Two maps added."""

    def forward(self, x: Tensor, y: Tensor, _valid: Valid | None) -> Tensor:
        """Twice (B, C, T, F) → (B, C, T, F)."""
        return x + y


class AttentiveFusion(nn.Module):
    """(1 + w) x + (1 − w) y with weights w = tanh(…) that are seen in both maps (Figure 3)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        hidden = max(1, channels // FUSION_REDUCTION)
        self.reduce = ConvNorm(2 * channels, hidden, bias=True)
        self.restore = ConvNorm(hidden, channels, bias=True)

    def forward(self, x: Tensor, y: Tensor, valid: Valid | None) -> Tensor:
        """Twice (B, C, T, F) → (B, C, T, F)."""
        hidden = silu(self.reduce(torch.cat([x, y], dim=1), valid))  # (B, C / 4, T, F)
        share = torch.sigmoid(2 * self.restore(hidden, valid))  # (1 + w) / 2, faster than tanh
        return torch.addcmul(y + y, share, x - y, value=2)


class StageFusion(nn.Module):
    """A stage's output fused with a finer one's (global fusion)."""

    def __init__(self, finer_channels: int, channels: int) -> None:
        super().__init__()
        self.down = nn.Conv2d(finer_channels, channels, 3, stride=2, padding=1, bias=False)
        self.fuse = AttentiveFusion(channels)

    def forward(self, x: Tensor, finer: Tensor, valid: Valid | None) -> Tensor:
        """(B, C', T', F') and (B, C, T, F), valid frames of T → (B, C', T', F')."""
        y = self.down(cut(finer, valid))
        return cast(Tensor, self.fuse(x, y, valid and valid.strided(2)))


def clipped(x: Tensor) -> Tensor:
    """ReLU up to a ceiling; not in place, for which autograd would copy x."""
    return hardtanh(x, 0.0, CEILING)
