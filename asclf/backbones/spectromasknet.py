"""SpectroMaskNet: global attention over the whole FBank, local attention over a block-masked one.

Chen et al., "A lightweight dual branch masking network for environmental sound classification",
Scientific Reports. No public implementation exists; where the paper is silent or contradicts
itself, the docstrings below name the sentence and the reading taken.

    feats (B, T, F) ─┬───────────────── global branch → F_G (B, D) ─┐
                     └─ block masking ─ local branch  → F_L (B, D) ─┴─ λ F_G + (1 − λ) F_L

What the paper contradicts, and what stands here:

- "padding=1 is used to maintain consistent feature map size", of 7×7 convolutions too: they would
  shrink the map until stage 4 has none left. Padding is kernel // 2 everywhere.
- "GroupNorm" and "Layer Normalization": batch norm by default, since it folds into the convolution
  beside it when the model is exported; `norm: group` is the paper's.
- "2.7 M parameters": the stated channels and depths give 0.4 M to 1.5 M on any reading.
  `spectromasknet_small` keeps the stated channels and strides; `spectromasknet` is widened to 2.7 M
  where positions are few and parameters therefore cheap: in the 1-D convolutions of temporal and
  frequency attention.
- "λ … constrained by L2 regularization" would pull it to 0: λ = sigmoid(θ), θ = 0 at the start.
- Masks act in training only; the paper does not say.

Where the text leaves freedom, the defaults take it for speed: a CPU spends its time on the first
stage, whose maps are at full resolution. So the 7×7 entries of stages 2 to 4 are separable, global
modules of the first stage are attention alone, local ones use 3×3, and enhancement does not widen.
`conf/backbone/spectromasknet_paper.yaml` has the larger choices.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Annotated, Literal, TypeAlias

import torch
from pydantic import Field, NonNegativeInt, PositiveInt
from torch import Tensor, nn

from asclf.config import component_config
from asclf.masks import BlockMaskOptions, block_keep_mask, length_keep_mask
from asclf.protocols import LengthsPolicy
from asclf.registry import BACKBONES

PerStage: TypeAlias = Annotated[tuple[PositiveInt, ...], Field(min_length=4, max_length=4)]
SizePerStage: TypeAlias = Annotated[tuple[NonNegativeInt, ...], Field(min_length=4, max_length=4)]

GATE_AT_START = 0.5
"""What the three attentions together let through before training.

Three sigmoids around 1/2 would multiply to 1/8 and mute the convolution of every module, and its
gradient with it; their biases therefore start where the product is 1/2.
"""


@component_config
class SpectroMaskNetConfig:
    """Sizes and choices of SpectroMaskNet; the defaults are the paper's numbers."""

    channels: PerStage = (16, 32, 48, 64)
    """Channels of the four stages; the last is the size of the embedding."""
    depths: PerStage = (2, 3, 3, 2)
    """Attention modules in each stage."""
    strides: PerStage = (1, 2, 2, 1)
    """Stride of the convolution that enters each stage, over time and frequency alike."""
    global_entry_kernel: PositiveInt = 7
    """Kernel of the convolutions that enter the global branch's stages."""
    local_entry_kernel: PositiveInt = 3
    """Kernel of the convolutions that enter the local branch's stages."""
    separable_entry: bool = True
    """Enter stages 2 to 4 by a depthwise and a pointwise convolution instead of a full one."""
    global_kernels: SizePerStage = (0, 3, 3, 3)
    """Kernel of the convolution inside the global modules of each stage; 0 = attention alone."""
    local_kernels: PerStage = (3, 3, 3, 3)
    """Kernel of the depthwise convolution of the local modules of each stage (the paper: 7)."""
    expansions: PerStage = (1, 1, 1, 1)
    """Widening of the local feature enhancement in each stage."""
    reduction: PositiveInt = 8
    """Reduction of the channel attentions."""
    attention_kernel: PositiveInt = 7
    """Kernel of the 1-D convolutions of temporal and frequency attention."""
    attention_hidden: SizePerStage = (0, 0, 20, 40)
    """Channels between two such convolutions, which give each channel an A_t and A_f of its own;
    0 = one convolution, and one map for all channels of the stage."""
    norm: Literal["batch", "group"] = "batch"
    """Batch norm folds away at export; group norm does not depend on the batch."""
    mask: BlockMaskOptions | None = BlockMaskOptions()
    """Blocks of the local branch's input that are zeroed in training; `null` masks nothing."""


@BACKBONES.register("spectromasknet", SpectroMaskNetConfig, attention_hidden=(0, 236, 236, 236))
@BACKBONES.register("spectromasknet_small", SpectroMaskNetConfig)
class SpectroMaskNet(nn.Module):
    """The dual-branch network; see the module's docstring.

    Padding never changes a clip's embedding: means are over valid frames alone, and padding is set
    to zero, as the convolutions' own, before every convolution over time.

    Args:
        config: Sizes and choices.
        feat_dim: Frequency bins F of the input; any number works.
    """

    lengths_policy: LengthsPolicy = "masked"
    paper = "Chen et al., Scientific Reports"

    def __init__(self, config: SpectroMaskNetConfig, *, feat_dim: int) -> None:
        super().__init__()
        self.feat_dim = feat_dim
        self.embed_dim = config.channels[-1]
        self.mask = config.mask
        self.global_branch = Branch(config, GlobalAttention, config.global_entry_kernel)
        self.local_branch = Branch(config, LocalAttention, config.local_entry_kernel)
        self.fusion_logit = nn.Parameter(torch.zeros(()))  # θ; λ = sigmoid(θ)

    def forward(self, feats: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Feats (B, T, F), lengths (B,) frames → embedding (B, D)."""
        seen = self._masked(feats, lengths) if self.training and self.mask else feats
        whole: Tensor = self.global_branch(feats.unsqueeze(1), lengths)  # (B, 1, T, F) → (B, D)
        local: Tensor = self.local_branch(seen.unsqueeze(1), lengths)
        weight = torch.sigmoid(self.fusion_logit)  # λ, ()
        return weight * whole + (1 - weight) * local

    def _masked(self, feats: Tensor, lengths: Tensor | None) -> Tensor:
        assert self.mask is not None
        return feats * block_keep_mask(feats, lengths, self.mask)

    def monitored(self) -> dict[str, float]:
        """What is logged each epoch: λ, the weight of the global branch."""
        return {"lambda": float(torch.sigmoid(self.fusion_logit.detach()))}


class Branch(nn.Module):
    """Four stages of a strided entry and attention modules, then the mean over time and frequency.

    "The dual branches … both adopt a 4-stage stacked structure" (Core parameters of each stage).
    """

    def __init__(
        self,
        config: SpectroMaskNetConfig,
        module: Callable[[SpectroMaskNetConfig, int], nn.Module],
        entry_kernel: int,
    ) -> None:
        super().__init__()
        widths = (1, *config.channels)
        self.strides = config.strides
        self.entries = nn.ModuleList(
            entry(config, widths[stage], widths[stage + 1], entry_kernel, config.strides[stage])
            for stage in range(4)
        )
        self.stages = nn.ModuleList(
            nn.ModuleList(module(config, stage) for _ in range(config.depths[stage]))
            for stage in range(4)
        )

    def forward(self, x: Tensor, lengths: Tensor | None) -> Tensor:
        """X (B, 1, T, F), lengths (B,) → (B, D)."""
        valid = None if lengths is None else Valid(lengths, x.shape[2])
        for stride, enter, modules in zip(self.strides, self.entries, self.stages, strict=True):
            x = enter(cut(x, valid))  # (B, C, T, F) → (B, C', ⌈T / stride⌉, ⌈F / stride⌉)
            valid = None if valid is None else valid.strided(stride)
            for module in modules:  # type: ignore[attr-defined]
                x = module(cut(x, valid), valid)
        return mean_over_frequency_and_time(x, valid)


def entry(
    config: SpectroMaskNetConfig, inputs: int, outputs: int, kernel: int, stride: int
) -> nn.Module:
    """The convolution that enters a stage: "downsampling is implemented via convolution"."""
    if inputs == 1 or not config.separable_entry:
        layers: list[nn.Module] = [conv(inputs, outputs, kernel, stride)]
    else:
        depthwise = conv(inputs, inputs, kernel, stride, groups=inputs)
        layers = [depthwise, normalise(config, inputs), conv(inputs, outputs, 1)]
    return nn.Sequential(*layers, normalise(config, outputs), nn.ReLU(inplace=True))


class GlobalAttention(nn.Module):
    """Channel, temporal and frequency attention, multiplied (Global branch design).

    X' = X ⊙ (A_c ⊗ A_t ⊗ A_f), then "residual connections". The text lists no convolution inside
    the module, the table of stages gives the branch 7×7 and 3×3 ones: with a kernel, X passes
    through convolution, norm and ReLU before it is weighted; without, attention stands alone.
    """

    def __init__(self, config: SpectroMaskNetConfig, stage: int) -> None:
        super().__init__()
        C, kernel = config.channels[stage], config.global_kernels[stage]
        self.conv = conv(C, C, kernel) if kernel else None
        self.norm = normalise(config, C)
        self.channel = ChannelAttention(C, config.reduction)
        hidden, width = config.attention_hidden[stage], config.attention_kernel
        self.temporal = AxisAttention(C, hidden, width)
        self.frequency = AxisAttention(C, hidden, width)

    def forward(self, x: Tensor, valid: Valid | None) -> Tensor:
        """X (B, C, T, F), zero where it is padding → (B, C, T, F)."""
        if self.conv is None:
            alone: Tensor = self.norm(self.weighted(x, x, valid))
            return alone
        return self.weighted(x, torch.relu_(self.norm(self.conv(x))), valid)

    def weighted(self, x: Tensor, y: Tensor, valid: Valid | None) -> Tensor:
        """X + Y ⊙ (A_c ⊗ A_t ⊗ A_f), the attentions computed on Y."""
        over_frequency = cut(y.mean(3, keepdim=True), valid)  # (B, C, T, 1)
        over_time = mean_over_time(y, valid)  # (B, C, 1, F)
        A_c = self.channel(over_time.mean(3, keepdim=True))  # (B, C, 1, 1)
        A_t = self.temporal(over_frequency)  # (B, 1 or C, T, 1)
        A_f = self.frequency(over_time.transpose(2, 3)).transpose(2, 3)  # (B, 1 or C, 1, F)
        if A_t.shape[1] == 1:
            return torch.addcmul(x, y * A_c, A_t * A_f)
        return torch.addcmul(x, y, (A_c * A_t) * A_f)  # one pass less over the whole map


class LocalAttention(nn.Module):
    """Separable convolution, channel attention, enhancement and gate (Local branch design).

    Y = W_p * (W_d * X), s = σ(W2 ReLU(W1 GAP(Y))), Y ⊙ s, then "expands and restores channels
    through 1×1 convolutions while modeling fine-grained dependencies via depthwise convolutions",
    Ŷ = σ(W_g * Y) ⊙ Y, and the residual. "Layer Normalization is applied before the main
    transformations": here between W_d and W_p, as in ConvNeXt, where batch norm folds into W_d.
    """

    def __init__(self, config: SpectroMaskNetConfig, stage: int) -> None:
        super().__init__()
        C = config.channels[stage]
        H = C * config.expansions[stage]
        self.depthwise = conv(C, C, config.local_kernels[stage], groups=C)
        self.norm = normalise(config, C)
        self.pointwise = conv(C, C, 1, bias=True)
        self.channel = ChannelAttention(C, config.reduction)
        self.expand = conv(C, H, 1, bias=True)
        self.enhance = conv(H, H, 3, groups=H, bias=True)
        self.restore = conv(H, C, 1, bias=True)
        self.gate = conv(C, C, 1, bias=True)

    def forward(self, x: Tensor, valid: Valid | None) -> Tensor:
        """X (B, C, T, F), zero where it is padding → (B, C, T, F)."""
        y = self.pointwise(self.norm(self.depthwise(x)))
        y = y * self.channel(mean_over_time(y, valid).mean(3, keepdim=True))
        y = self.enhance(cut(self.expand(y), valid))  # (B, H, T, F)
        y = self.restore(torch.relu_(y))  # (B, C, T, F)
        return torch.addcmul(x, y, torch.sigmoid(self.gate(y)))


class ChannelAttention(nn.Module):
    """σ(W2 ReLU(W1 z)) with 1×1 convolutions: A_c of the global module, SCA of the local one."""

    def __init__(self, channels: int, reduction: int) -> None:
        super().__init__()
        hidden = max(4, channels // reduction)  # fewer than 4 would choke the first stage
        self.reduce = conv(channels, hidden, 1, bias=True)
        self.restore = opened(conv(hidden, channels, 1, bias=True))

    def forward(self, z: Tensor) -> Tensor:
        """Means z (B, C, 1, 1) → weights (B, C, 1, 1) in (0, 1)."""
        return torch.sigmoid(self.restore(torch.relu(self.reduce(z))))


class AxisAttention(nn.Module):
    """One-dimensional convolutions along one axis, then σ: A_t or A_f.

    "One-dimensional convolutions are then applied to capture dynamic temporal variations and
    discriminative spectral-band features": how many, and to how many channels, is not said. The
    outer product A_c ⊗ A_t ⊗ A_f asks for one map an axis (`hidden` = 0); with two convolutions and
    a map for each channel it is where parameters cost least, since an axis has few positions.
    """

    def __init__(self, channels: int, hidden: int, kernel: int) -> None:
        super().__init__()
        self.first = axis_conv(channels, hidden, kernel) if hidden else None
        maps = channels if hidden else 1
        self.last = opened(axis_conv(hidden or channels, maps, kernel))

    def forward(self, profile: Tensor) -> Tensor:
        """Profile (B, C, L, 1) along the axis → weights (B, 1 or C, L, 1) in (0, 1)."""
        if self.first is not None:
            profile = torch.relu(self.first(profile))  # (B, H, L, 1)
        return torch.sigmoid(self.last(profile))


class Valid:
    """Which frames are no padding, at one stage's resolution.

    Args:
        lengths: (B,) valid frames.
        num_frames: Frames T of the padded batch.
    """

    def __init__(self, lengths: Tensor, num_frames: int) -> None:
        self.lengths = lengths
        self.num_frames = num_frames
        self.keep = length_keep_mask(lengths, num_frames)[:, None, :, None]  # (B, 1, T, 1)

    def strided(self, stride: int) -> Valid:
        """The same after a convolution with padding kernel // 2: ⌈length / stride⌉ frames."""
        if stride == 1:
            return self
        return Valid(-(-self.lengths // stride), -(-self.num_frames // stride))


def cut(x: Tensor, valid: Valid | None) -> Tensor:
    """X (B, C, T, F) with its padding set to zero, as it would be beyond the end of the clip."""
    return x if valid is None else x * valid.keep


def mean_over_time(x: Tensor, valid: Valid | None) -> Tensor:
    """(B, C, T, F) → mean over valid frames (B, C, 1, F)."""
    if valid is None:
        return x.mean(2, keepdim=True)
    return cut(x, valid).sum(2, keepdim=True) / valid.lengths.view(-1, 1, 1, 1)


def mean_over_frequency_and_time(x: Tensor, valid: Valid | None) -> Tensor:
    """(B, C, T, F) → mean over frequency and valid frames (B, C): global average pooling."""
    return mean_over_time(x, valid).mean((2, 3))


def conv(
    inputs: int, outputs: int, kernel: int, stride: int = 1, *, groups: int = 1, bias: bool = False
) -> nn.Conv2d:
    """A 2-D convolution that keeps the size (÷ stride); without bias where a norm follows."""
    return nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=bias)


def axis_conv(inputs: int, outputs: int, kernel: int) -> nn.Conv2d:
    """A 1-D convolution along dimension 2 of (B, C, L, 1).

    Written as a 2-D one: with the channels last it trains faster on a CPU than `nn.Conv1d`.
    """
    return nn.Conv2d(inputs, outputs, (kernel, 1), padding=(kernel // 2, 0))


def opened(layer: nn.Conv2d) -> nn.Conv2d:
    """Sets the bias before a sigmoid so that three of them let `GATE_AT_START` through."""
    share = GATE_AT_START ** (1 / 3)
    assert layer.bias is not None
    nn.init.constant_(layer.bias, math.log(share / (1 - share)))
    return layer


def normalise(config: SpectroMaskNetConfig, channels: int) -> nn.Module:
    """The norm of the configuration; group norm with groups of 8 channels."""
    if config.norm == "batch":
        return nn.BatchNorm2d(channels)
    return nn.GroupNorm(max(1, channels // 8), channels)
