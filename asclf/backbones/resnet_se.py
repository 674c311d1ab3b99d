"""ResNetSE: a residual network of bottlenecks whose channels are gated by squeeze and excitation.

Source: He et al., "Deep Residual Learning for Image Recognition" (arXiv 1512.03385), Figure 5, and
Hu et al., "Squeeze-and-Excitation Networks" (arXiv 1709.01507), Figure 3. Widths and depths are
those of the reference for sound classification (the PyPI package `macls`, Apache-2.0), which differ
from the papers': a 3×3 stem without pooling, blocks that widen twofold instead of fourfold, gates
reduced by 8 instead of 16, and attentive statistics over time in place of the mean over the map.
`tests/parity/test_resnets_against_macls.py` holds the two to the same outputs and gradients.
"""

from __future__ import annotations

from typing import cast

import torch
from pydantic import PositiveInt
from torch import Tensor, nn

from asclf.backbones._blocks.conv2d import (
    ConvNorm,
    PerStage,
    frames_of,
    halved,
    initialise,
    map_of,
)
from asclf.backbones._blocks.embedding import PooledEmbedding
from asclf.backbones._blocks.pooling import PoolingKind
from asclf.backbones._blocks.valid import Valid, cut
from asclf.config import component_config
from asclf.protocols import LengthsPolicy
from asclf.registry import BACKBONES

STRIDES = (1, 2, 2, 2)
EXPANSION = 2


@component_config
class ResNetSEConfig:
    """Options of `resnet_se`; the defaults are the reference's."""

    channels: PerStage = (32, 64, 128, 256)
    """Width inside the blocks of each stage; what leaves them is twice as wide."""
    depths: PerStage = (3, 4, 6, 3)
    """Blocks in each stage."""
    reduction: PositiveInt = 8
    """How many times narrower the hidden layer of a gate is."""
    pooling: PoolingKind = "asp"
    """How frames become one vector."""
    embed_dim: PositiveInt = 192
    """Length of the embedding."""


@BACKBONES.register("resnet_se", ResNetSEConfig)
class ResNetSE(nn.Module):
    """Features (B, T, F) → embedding (B, D).

    Padding never changes a clip's embedding: it is set to zero before every convolution, and
    neither gates nor pooling count it.
    """

    lengths_policy: LengthsPolicy = "masked"
    paper = "He et al. 2015, arXiv 1512.03385; Hu et al. 2017, arXiv 1709.01507"
    reference = "macls (Apache-2.0)"

    def __init__(self, config: ResNetSEConfig, *, feat_dim: int) -> None:
        super().__init__()
        self.embed_dim = config.embed_dim
        self.stem = ConvNorm(1, config.channels[0], kernel=3)
        self.blocks = nn.ModuleList()
        inputs = config.channels[0]
        for channels, depth, stride in zip(config.channels, config.depths, STRIDES, strict=True):
            for i in range(depth):
                block = SEBottleneck(inputs, channels, 1 if i else stride, config.reduction)
                self.blocks.append(block)
                inputs = EXPANSION * channels
        frame_dim = inputs * halved(feat_dim, times=3)
        self.embed = PooledEmbedding(config.pooling, frame_dim, config.embed_dim)
        initialise(self)

    def forward(self, feats: Tensor, lengths: Tensor | None = None) -> Tensor:
        """(B, T, F), (B,) frames → (B, D)."""
        valid = None if lengths is None else Valid(lengths, feats.shape[1])
        x = torch.relu_(self.stem(map_of(feats), valid))  # (B, C, T, F)
        for block in self.blocks:
            x, valid = block(x, valid)
        keep_mask = valid and valid.keep[:, 0, :, 0]
        return cast(Tensor, self.embed(frames_of(x), keep_mask))


class SEBottleneck(nn.Module):
    """1×1, 3×3, 1×1, each with a norm, then a gate a channel, plus the input."""

    def __init__(self, inputs: int, channels: int, stride: int, reduction: int) -> None:
        super().__init__()
        outputs = EXPANSION * channels
        self.stride = stride
        self.enter = ConvNorm(inputs, channels)
        self.middle = ConvNorm(channels, channels, kernel=3, stride=stride)
        self.leave = ConvNorm(channels, outputs)
        self.gate = Gate(outputs, reduction)
        is_same = stride == 1 and inputs == outputs
        self.shortcut = None if is_same else ConvNorm(inputs, outputs, stride=stride)

    def forward(self, x: Tensor, valid: Valid | None) -> tuple[Tensor, Valid | None]:
        """(B, C, T, F) → (B, C', ⌈T / stride⌉, ⌈F / stride⌉), and which of its frames are valid."""
        after = valid and valid.strided(self.stride)
        y = torch.relu_(self.enter(x, valid))
        y = torch.relu_(self.middle(y, valid))
        y = self.leave(y, after)
        shortcut = x if self.shortcut is None else self.shortcut(x, valid)
        return torch.addcmul(shortcut, y, self.gate(y, after)).relu_(), after


class Gate(nn.Module):
    """Squeeze and excitation: what of each channel goes on, given the means of all channels."""

    def __init__(self, channels: int, reduction: int) -> None:
        super().__init__()
        hidden = max(1, channels // reduction)
        self.squeeze = nn.Linear(channels, hidden)
        self.excite = nn.Linear(hidden, channels)

    def forward(self, x: Tensor, valid: Valid | None) -> Tensor:
        """(B, C, T, F) → (B, C, 1, 1) in (0, 1)."""
        frames = x.shape[2] if valid is None else valid.lengths.unsqueeze(1)  # (B, 1)
        # Its gradient is a view without memory of its own, which that of a mean is not.
        mean = cut(x, valid).sum((2, 3)) / (frames * x.shape[3])  # (B, C)
        hidden = torch.relu(self.squeeze(mean))
        return torch.sigmoid(self.excite(hidden))[:, :, None, None]
