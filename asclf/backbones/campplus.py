"""CAM++: densely connected dilated convolutions over time, each gated by the clip and its segment.

Source: Wang, Zheng, Chen, Cheng and Chen, "CAM++: A Fast and Efficient Network for Speaker
Verification Using Context-Aware Masking", Interspeech 2023 (arXiv 2303.00332); Figure 1 is the
network. Reference: `CAMPPlus` of the PyPI package `macls` (Apache-2.0);
`tests/parity/test_tdnns_against_macls.py` holds the two to the same outputs and gradients.

What is written differently gives the same numbers:

- Maps are (B, C, T, F) throughout, with F = 1 after the first layer over time, whose kernel spans
  all frequencies. Nothing is reshaped, and a training step runs with the channels last.
- A gate is the same for all frames of a segment, so it is computed once a segment. The means over
  clip and segment are one product with a matrix of weights. It exports to ONNX for any number of
  frames, which pooling with `ceil_mode`, as in the reference, does not; and padding has weight 0.
"""

from __future__ import annotations

from typing import Annotated, TypeAlias, cast

import torch
from pydantic import Field, PositiveInt
from torch import Tensor, nn
from torch.nn import functional

from asclf.backbones._blocks.conv1d import frames_as_map, map_as_frames
from asclf.backbones._blocks.conv2d import map_of
from asclf.backbones._blocks.norms import BatchNorm
from asclf.backbones._blocks.pooling import PoolingKind, build_pooling
from asclf.backbones._blocks.valid import Valid, cut
from asclf.config import component_config
from asclf.protocols import LengthsPolicy
from asclf.registry import BACKBONES

DILATIONS = (1, 2, 2)
"""Of the three blocks."""
SEGMENT_FRAMES = 100
"""Frames of a segment, each 20 ms from the next: as in the reference."""

PerBlock: TypeAlias = Annotated[tuple[PositiveInt, ...], Field(min_length=3, max_length=3)]


@component_config
class CamPlusPlusConfig:
    """Options of `campplus`; the defaults are those of paper and reference."""

    stem_channels: PositiveInt = 32
    """Channels of the two-dimensional convolutions before the first layer over time."""
    channels: PositiveInt = 128
    """Channels that enter the first block."""
    depths: PerBlock = (12, 24, 16)
    """Layers of the three blocks."""
    growth: PositiveInt = 32
    """Channels that each layer adds."""
    bottleneck_factor: Annotated[int, Field(ge=2)] = 4
    """Width inside a layer, as a multiple of `growth`."""
    embed_dim: PositiveInt = 512
    """Length of the embedding."""
    pooling: PoolingKind = "stats"
    """How frames become one vector."""


@BACKBONES.register("campplus", CamPlusPlusConfig)
class CamPlusPlus(nn.Module):
    """Features (B, T, F) → embedding (B, D).

    Padding never changes a clip's embedding: before every convolution over time it is set to zero,
    as what lies beyond the end of a clip, and no mean counts it.
    """

    lengths_policy: LengthsPolicy = "masked"
    paper = "Wang et al. 2023, arXiv 2303.00332"
    reference = "macls (Apache-2.0)"

    def __init__(self, config: CamPlusPlusConfig, *, feat_dim: int) -> None:
        super().__init__()
        self.embed_dim = config.embed_dim
        self.stem = Stem(config.stem_channels)
        kernel = (5, -(-feat_dim // self.stem.stride))
        self.enter = nn.Conv2d(
            config.stem_channels, config.channels, kernel, stride=(2, 1), padding=(2, 0), bias=False
        )
        self.enter_norm = NormRelu(config.channels)
        self.blocks = nn.ModuleList()
        channels = config.channels
        for depth, dilation in zip(config.depths, DILATIONS, strict=True):
            self.blocks.append(DenseBlock(config, channels, depth, dilation))
            channels = (channels + depth * config.growth) // 2
        self.leave_norm = NormRelu(channels)
        self.pool = build_pooling(config.pooling, channels)
        self.project = nn.Linear(self.pool.output_dim, config.embed_dim, bias=False)
        self.norm = nn.BatchNorm1d(config.embed_dim, affine=False)
        for part in (self.enter, self.blocks, self.project):
            part.apply(initialise)

    def forward(self, feats: Tensor, lengths: Tensor | None = None) -> Tensor:
        """(B, T, F), (B,) frames → (B, D)."""
        valid = None if lengths is None else Valid(lengths, feats.shape[1])
        x = self.stem(map_of(feats), valid)  # (B, C, T, ⌈F / 8⌉)
        x = self.enter(cut(x, valid))  # (B, C', ⌈T / 2⌉, 1)
        valid = valid and valid.strided(2)
        x = self.enter_norm(x, valid)
        segments = Segments(x, valid)
        for block in self.blocks:
            x = block(x, segments, valid)
        frames = map_as_frames(self.leave_norm(x, valid))  # (B, ⌈T / 2⌉, C'')
        pooled = self.pool(frames.transpose(1, 2), valid and valid.keep_mask)
        return cast(Tensor, self.norm(self.project(pooled)))


class Stem(nn.Module):
    """The front-end convolution module: residual blocks that leave an eighth of the frequencies."""

    stride = 8  # over frequency

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.enter = StemConv(1, channels)
        self.blocks = nn.ModuleList(ResidualBlock(channels, stride) for stride in (2, 1, 2, 1))
        self.leave = StemConv(channels, channels, stride=2)

    def forward(self, x: Tensor, valid: Valid | None) -> Tensor:
        """(B, 1, T, F) → (B, C, T, ⌈F / 8⌉)."""
        x = functional.relu(self.enter(x, valid), inplace=True)
        for block in self.blocks:
            x = block(x, valid)
        return functional.relu(self.leave(x, valid), inplace=True)


class ResidualBlock(nn.Module):
    """Two 3×3 convolutions plus the input; a stride is over frequency alone."""

    def __init__(self, channels: int, stride: int) -> None:
        super().__init__()
        self.enter = StemConv(channels, channels, stride=stride)
        self.leave = StemConv(channels, channels)
        self.shortcut = (
            StemConv(channels, channels, kernel=1, stride=stride) if stride > 1 else None
        )

    def forward(self, x: Tensor, valid: Valid | None) -> Tensor:
        """(B, C, T, F) → (B, C, T, ⌈F / stride⌉)."""
        y = functional.relu(self.enter(x, valid), inplace=True)
        y = self.leave(y, valid)
        y += x if self.shortcut is None else self.shortcut(x, valid)
        return functional.relu(y, inplace=True)


class StemConv(nn.Module):
    """Convolution, strided over frequency alone, then batch norm."""

    def __init__(self, inputs: int, outputs: int, *, kernel: int = 3, stride: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel, (1, stride), kernel // 2, bias=False)
        self.norm = BatchNorm(outputs)

    def forward(self, x: Tensor, valid: Valid | None) -> Tensor:
        """(B, C, T, F) → (B, C', T, ⌈F / stride⌉)."""
        return cast(Tensor, self.norm(self.conv(cut(x, valid)), valid))


class DenseBlock(nn.Module):
    """Layers that each see what all before them made; then half the channels."""

    def __init__(self, config: CamPlusPlusConfig, channels: int, depth: int, dilation: int) -> None:
        super().__init__()
        width = config.bottleneck_factor * config.growth
        self.layers = nn.ModuleList(
            DenseLayer(channels + i * config.growth, width, config.growth, dilation)
            for i in range(depth)
        )
        channels += depth * config.growth
        self.norm = NormRelu(channels)
        self.leave = nn.Conv2d(channels, channels // 2, 1, bias=False)

    def forward(self, x: Tensor, segments: Segments, valid: Valid | None) -> Tensor:
        """(B, C, T, 1) → (B, (C + depth · growth) / 2, T, 1)."""
        for layer in self.layers:
            x = torch.cat([x, layer(x, segments, valid)], dim=1)
        return cast(Tensor, self.leave(self.norm(x, valid)))


class DenseLayer(nn.Module):
    """A bottleneck, then a dilated convolution whose output a gate masks by its context."""

    def __init__(self, channels: int, width: int, growth: int, dilation: int) -> None:
        super().__init__()
        self.enter_norm = NormRelu(channels)
        self.enter = nn.Conv2d(channels, width, 1, bias=False)
        self.norm = NormRelu(width)
        self.local = nn.Conv2d(
            width, growth, (3, 1), padding=(dilation, 0), dilation=(dilation, 1), bias=False
        )
        self.gate = nn.Sequential(
            nn.Linear(width, width // 2),
            nn.ReLU(inplace=True),
            nn.Linear(width // 2, growth),
            nn.Sigmoid(),
        )

    def forward(self, x: Tensor, segments: Segments, valid: Valid | None) -> Tensor:
        """(B, C, T, 1) → (B, growth, T, 1)."""
        x = self.norm(self.enter(self.enter_norm(x, valid)), valid)
        x = cut(x, valid)  # (B, width, T, 1)
        gate = self.gate(segments.context(x))  # (B, N, growth)
        return cast(Tensor, self.local(x)) * segments.spread(gate)


class Segments:
    """The frames of clips in segments of equal length, for multi-granularity pooling.

    Args:
        x: (B, C, T, 1), a map of the size of those to come.
        valid: Which of its frames are no padding.
    """

    def __init__(self, x: Tensor, valid: Valid | None) -> None:
        T = x.shape[2]
        segment = torch.arange(T, device=x.device) // SEGMENT_FRAMES
        # The last has no frames: a single segment in its example would be one for ever to the
        # ONNX exporter.
        numbers = torch.arange(T // SEGMENT_FRAMES + 2, device=x.device)
        self.members = (numbers.unsqueeze(1) == segment).to(x)  # (N, T)
        kept = x.new_ones(1, 1, T) if valid is None else valid.keep_mask.unsqueeze(1).to(x)
        inside = self.members * kept  # (B or 1, N, T)
        of_segment = inside / inside.sum(2, keepdim=True).clamp(min=1)  # or empty
        self.weights = of_segment + kept / kept.sum(2, keepdim=True)

    def context(self, x: Tensor) -> Tensor:
        """(B, C, T, 1) → mean over the clip plus mean over each segment, (B, N, C)."""
        return self.weights @ map_as_frames(x)

    def spread(self, x: Tensor) -> Tensor:
        """(B, N, C), one row a segment → (B, C, T, 1)."""
        return frames_as_map(self.members.T @ x)


class NormRelu(BatchNorm):
    """Batch norm over the valid cells, then ReLU."""

    def forward(self, x: Tensor, valid: Valid | None = None) -> Tensor:
        """(B, C, T, F) → (B, C, T, F)."""
        return functional.relu(super().forward(x, valid), inplace=True)


def initialise(module: nn.Module) -> None:
    """Draws the weights of a layer by He et al. 2015 (arXiv 1502.01852), as the reference does."""
    if isinstance(module, nn.Conv2d | nn.Linear):
        nn.init.kaiming_normal_(module.weight)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
