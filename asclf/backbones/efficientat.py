"""EfficientAT: MobileNetV3-Large over mel spectrograms, at several widths.

Source: Schmid, Koutini and Widmer, "Efficient Large-scale Audio Tagging via Transformer-to-CNN
Knowledge Distillation", ICASSP 2023 (arXiv 2211.04772), section 3; the network is Table 1 of Howard
et al., "Searching for MobileNetV3" (arXiv 1905.02244), with one input channel. What neither paper
states (rounding of widths, batch norm, initial weights) is as in github.com/fschmid56/EfficientAT
(MIT), whose published weights `asclf import-weights` converts.

The backbone ends with the global mean; the paper's two-layer classifier is the head `mlp`. Here
maps are (B, C, T, F), so kernels are transposed against the published ones, which have F first.
"""

from __future__ import annotations

from typing import NamedTuple

from pydantic import PositiveFloat
from torch import Tensor, nn

from asclf.backbones._blocks.means import mean_over_map
from asclf.backbones._blocks.norms import BatchNorm
from asclf.backbones._blocks.valid import Valid, cut
from asclf.config import component_config
from asclf.protocols import LengthsPolicy
from asclf.registry import BACKBONES

GRANULARITY = 8
"""Widths are multiples of it."""
HEAD_EXPANSION = 6
"""Channels of the last convolution for one of the last block."""
SQUEEZE = 4
"""Channels of a block for one inside its squeeze-excitation."""


class BlockSize(NamedTuple):
    """A row of MobileNetV3's Table 1, at width 1."""

    kernel: int
    hidden: int
    channels: int
    has_excitation: bool
    activation: type[nn.Module]
    stride: int


STEM_CHANNELS = 16
BLOCKS = (
    BlockSize(3, 16, 16, False, nn.ReLU, 1),
    BlockSize(3, 64, 24, False, nn.ReLU, 2),
    BlockSize(3, 72, 24, False, nn.ReLU, 1),
    BlockSize(5, 72, 40, True, nn.ReLU, 2),
    BlockSize(5, 120, 40, True, nn.ReLU, 1),
    BlockSize(5, 120, 40, True, nn.ReLU, 1),
    BlockSize(3, 240, 80, False, nn.Hardswish, 2),
    BlockSize(3, 200, 80, False, nn.Hardswish, 1),
    BlockSize(3, 184, 80, False, nn.Hardswish, 1),
    BlockSize(3, 184, 80, False, nn.Hardswish, 1),
    BlockSize(3, 480, 112, True, nn.Hardswish, 1),
    BlockSize(3, 672, 112, True, nn.Hardswish, 1),
    BlockSize(5, 672, 160, True, nn.Hardswish, 2),
    BlockSize(5, 960, 160, True, nn.Hardswish, 1),
    BlockSize(5, 960, 160, True, nn.Hardswish, 1),
)


@component_config
class EfficientATConfig:
    """Options of `efficientat_mn10` and the other widths."""

    width: PositiveFloat = 1.0
    """Factor on the channels of every layer."""


@BACKBONES.register("efficientat_mn04", EfficientATConfig, width=0.4)
@BACKBONES.register("efficientat_mn05", EfficientATConfig, width=0.5)
@BACKBONES.register("efficientat_mn10", EfficientATConfig)
@BACKBONES.register("efficientat_mn20", EfficientATConfig, width=2.0)
@BACKBONES.register("efficientat_mn30", EfficientATConfig, width=3.0)
@BACKBONES.register("efficientat_mn40", EfficientATConfig, width=4.0)
class EfficientAT(nn.Module):
    """Features (B, T, F) → embedding (B, D), the mean of the last map.

    Time and frequency are halved five times. Padding never changes a clip's embedding: means and
    norms take valid frames alone, and padding is zero, as the convolutions' own, before each.

    Args:
        config: The width.
        feat_dim: Any number of frequency bins; no size depends on it.
    """

    lengths_policy: LengthsPolicy = "masked"
    usual_feat_dim = 128
    paper = "Schmid et al. 2023, arXiv 2211.04772"
    reference = "EfficientAT (MIT)"

    def __init__(self, config: EfficientATConfig, *, feat_dim: int) -> None:  # noqa: ARG002
        super().__init__()
        channels = scaled(STEM_CHANNELS, config.width)
        self.stem = ConvNorm(1, channels, kernel=3, stride=2, activation=nn.Hardswish)
        self.blocks = nn.ModuleList()
        for size in BLOCKS:
            self.blocks.append(InvertedResidual(channels, size, config.width))
            channels = scaled(size.channels, config.width)
        self.embed_dim = HEAD_EXPANSION * channels
        self.widen = ConvNorm(channels, self.embed_dim, activation=nn.Hardswish)
        self.apply(initialise)

    def forward(self, feats: Tensor, lengths: Tensor | None = None) -> Tensor:
        """(B, T, F), (B,) frames → (B, D)."""
        x = feats.unsqueeze(1)  # (B, 1, T, F)
        valid = None if lengths is None else Valid(lengths, x.shape[2])
        x, valid = self.stem(x, valid)
        for block in self.blocks:
            x, valid = block(x, valid)
        x, valid = self.widen(x, valid)
        return mean_over_map(x, valid).flatten(1)  # (B, D)


class InvertedResidual(nn.Module):
    """1×1 to more channels, depthwise, squeeze-excitation, 1×1 to fewer (MobileNetV3, Figure 4).

    The input is added where the output has its shape.
    """

    def __init__(self, in_channels: int, size: BlockSize, width: float) -> None:
        super().__init__()
        hidden, channels = scaled(size.hidden, width), scaled(size.channels, width)
        self.is_residual = size.stride == 1 and channels == in_channels
        self.expand = (
            ConvNorm(in_channels, hidden, activation=size.activation)
            if hidden != in_channels
            else None
        )
        self.depthwise = ConvNorm(
            hidden,
            hidden,
            kernel=size.kernel,
            stride=size.stride,
            groups=hidden,
            activation=size.activation,
        )
        self.excite = SqueezeExcitation(hidden) if size.has_excitation else None
        self.project = ConvNorm(hidden, channels)

    def forward(self, x: Tensor, valid: Valid | None) -> tuple[Tensor, Valid | None]:
        """(B, C, T, F) → (B, C', T', F')."""
        y, valid_inside = (x, valid) if self.expand is None else self.expand(x, valid)
        y, valid_inside = self.depthwise(y, valid_inside)
        if self.excite is not None:
            y = self.excite(y, valid_inside)
        y, valid_inside = self.project(y, valid_inside)
        return (y + x if self.is_residual else y), valid_inside


class ConvNorm(nn.Module):
    """Convolution without bias, batch norm, and an activation where one is given."""

    def __init__(
        self,
        in_channels: int,
        channels: int,
        *,
        kernel: int = 1,
        stride: int = 1,
        groups: int = 1,
        activation: type[nn.Module] | None = None,
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(
            in_channels, channels, kernel, stride, kernel // 2, groups=groups, bias=False
        )
        self.norm = BatchNorm(channels, eps=1e-3, momentum=0.01)
        self.activation = nn.Identity() if activation is None else activation(inplace=True)
        self.stride = stride
        self.looks_around = kernel > 1

    def forward(self, x: Tensor, valid: Valid | None) -> tuple[Tensor, Valid | None]:
        """(B, C, T, F) → (B, C', ⌈T / stride⌉, ⌈F / stride⌉), and what is valid of it."""
        x = self.conv(cut(x, valid) if self.looks_around else x)
        valid = None if valid is None else valid.strided(self.stride)
        return self.activation(self.norm(x, valid)), valid


class SqueezeExcitation(nn.Module):
    """Scales each channel by a gate that sees the means of all of them.

    The gate is a sigmoid, where MobileNetV3 has its piecewise linear likeness.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        hidden = divisible(channels // SQUEEZE)
        self.squeeze = nn.Linear(channels, hidden)
        self.expand = nn.Linear(hidden, channels)

    def forward(self, x: Tensor, valid: Valid | None) -> Tensor:
        """(B, C, T, F) → (B, C, T, F)."""
        means = mean_over_map(x, valid).flatten(1)  # (B, C)
        gate: Tensor = self.expand(self.squeeze(means).relu()).sigmoid()
        return x * gate[..., None, None]


def scaled(channels: int, width: float) -> int:
    """The channels that a layer has at a width."""
    return divisible(channels * width)


def divisible(channels: float) -> int:
    """The nearest multiple of 8, at least 8, and not below nine tenths of what is asked for."""
    nearest = max(GRANULARITY, int(channels + GRANULARITY / 2) // GRANULARITY * GRANULARITY)
    return nearest if nearest >= 0.9 * channels else nearest + GRANULARITY


def initialise(module: nn.Module) -> None:
    """Initial weights as published: He's for convolutions by what goes out, small for gates."""
    if isinstance(module, nn.Conv2d):
        nn.init.kaiming_normal_(module.weight, mode="fan_out")
    elif isinstance(module, nn.Linear):
        nn.init.normal_(module.weight, std=0.01)
        nn.init.zeros_(module.bias)
