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
  before it when the model is exported. `norm: group` is the paper's; in the local modules it has
  one group, which makes it a layer norm over C, T and F.
- "2.7 M parameters": the stated channels and depths give 0.4 M to 1.5 M on any reading.
  `spectromasknet_small` keeps the stated channels and strides; `spectromasknet` is widened to 2.7 M
  where positions are few and parameters therefore cheap: in the 1-D convolutions of temporal and
  frequency attention and in the local feature enhancement of the later stages.
- "λ … constrained by L2 regularization" would pull it to 0: λ = sigmoid(θ), θ = 0 at the start, and
  `fusion_penalty` weighs (λ − 0.5)².
- Masks act in training only; the paper does not say.

Where the text leaves freedom, the defaults take it for speed. A CPU spends its time where maps are
large, so a module works at half the resolution of its stage (`module_strides`): its convolution
strides, and what it adds to the residual path is repeated 2×2. The path itself, and with it every
stage's map, keeps the paper's resolution. For the same reason the entries of stages 2 to 4, whose
kernel the paper does not state, are 3×3 and separable, and the first global modules convolve
depthwise. `conf/backbone/spectromasknet_paper.yaml` has the larger choices;
`docs/spectromasknet.md` says what each costs.
"""

from __future__ import annotations

import math
from typing import Annotated, Literal, TypeAlias

import torch
from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveInt
from torch import Tensor, nn

from asclf.backbones._blocks.activations import Activation, activate
from asclf.backbones._blocks.means import mean_over_frequency, mean_over_map, mean_over_time
from asclf.backbones._blocks.norms import BatchNorm, GroupNorm
from asclf.backbones._blocks.upsample import add_repeated
from asclf.backbones._blocks.valid import Valid, cut
from asclf.backbones._masking import MaskOptions, build_mask
from asclf.config import component_config
from asclf.masks import BlockMaskOptions
from asclf.protocols import LengthsPolicy
from asclf.registry import BACKBONES

FourStages = Field(min_length=4, max_length=4)
SizePerStage: TypeAlias = Annotated[tuple[PositiveInt, ...], FourStages]
WidthPerStage: TypeAlias = Annotated[tuple[NonNegativeInt, ...], FourStages]
StridePerStage: TypeAlias = Annotated[tuple[Literal[1, 2], ...], FourStages]
ConvPerStage: TypeAlias = Annotated[tuple[Literal["full", "depthwise", "none"], ...], FourStages]
Attention: TypeAlias = Literal["global", "local", "se", "none"]


GATE_AT_START = 0.5
"""What the three attentions together let through before training.

Three sigmoids around 1/2 would multiply to 1/8 and mute the convolution of every module, and its
gradient with it; their biases therefore start where the product is 1/2.
"""


@component_config
class SpectroMaskNetConfig:
    """Sizes and choices of SpectroMaskNet; the defaults are `spectromasknet_small`."""

    channels: SizePerStage = (16, 32, 48, 64)
    """Channels of the four stages; the last is the size of the embedding."""
    depths: SizePerStage = (2, 3, 3, 2)
    """Attention modules in each stage."""
    strides: SizePerStage = (1, 2, 2, 1)
    """Stride of the convolution that enters each stage, over time and frequency alike."""
    module_strides: StridePerStage = (2, 2, 2, 2)
    """Stride inside the modules of each stage: 2 computes them at half the stage's resolution."""
    global_attention: Attention = "global"
    """Modules of the branch that is called global: `se` and `none` are the paper's Table 4."""
    local_attention: Attention = "local"
    """Modules of the branch that is called local."""
    global_entry_kernels: SizePerStage = (7, 3, 3, 3)
    """Kernels of the convolutions that enter the global branch's stages."""
    local_entry_kernels: SizePerStage = (3, 3, 3, 3)
    """Kernels of the convolutions that enter the local branch's stages."""
    separable_entry: bool = True
    """Enter stages 2 to 4 by a depthwise and a pointwise convolution instead of a full one."""
    global_convs: ConvPerStage = ("depthwise", "depthwise", "full", "full")
    """Convolution inside the global, `se` and `none` modules of each stage; `none` leaves the
    attention alone, at the stage's resolution."""
    global_kernels: SizePerStage = (3, 3, 3, 3)
    """Kernel of that convolution."""
    local_kernels: SizePerStage = (3, 3, 3, 3)
    """Kernel of the depthwise convolution of the local modules (the paper: 7)."""
    local_norm: Literal["inside", "before"] = "inside"
    """Norm of the local modules: between W_d and W_p, or before both as the paper has it."""
    expansions: SizePerStage = (1, 1, 1, 1)
    """Widening of the local feature enhancement in each stage."""
    reduction: PositiveInt = 8
    """Reduction of the channel attentions."""
    attention_kernel: PositiveInt = 7
    """Kernel of the 1-D convolutions of temporal and frequency attention."""
    attention_hidden: WidthPerStage = (0, 0, 20, 40)
    """Channels between two such convolutions, which give each channel an A_t and A_f of its own;
    0 = one convolution, and one map for all channels of the stage."""
    norm: Literal["batch", "group"] = "batch"
    """Batch norm folds away at export; group norm does not depend on the batch."""
    activation: Activation = "relu"
    """Between convolutions; ReLU folds into the convolution before it at export."""
    fusion: Literal["learnable_scalar", "per_channel", "concat"] = "learnable_scalar"
    """One λ, a λ for each channel, or a linear layer over both embeddings."""
    fusion_penalty: NonNegativeFloat = 0.0
    """Weight of (λ − 0.5)² in the loss."""
    mask: MaskOptions | None = BlockMaskOptions()
    """Blocks of one branch's input that are zeroed in training; `null` masks nothing."""
    masked_branch: Literal["global", "local"] = "local"
    """The branch that sees the masked input."""


@BACKBONES.register(
    "spectromasknet",
    SpectroMaskNetConfig,
    module_strides=(2, 2, 1, 1),
    expansions=(1, 2, 4, 4),
    attention_hidden=(0, 160, 248, 248),
)
@BACKBONES.register("spectromasknet_small", SpectroMaskNetConfig)
@BACKBONES.register("spectromasknet_tiny", SpectroMaskNetConfig, strides=(2, 2, 2, 1))
class SpectroMaskNet(nn.Module):
    """The dual-branch network; see the module's docstring.

    `spectromasknet_tiny` is the small one with a stem of stride 2, for the smallest devices.

    Padding never changes a clip's embedding: means and norms take valid frames alone, and padding
    is set to zero, as the convolutions' own, before every convolution over time.

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
        self.masked_branch = config.masked_branch
        self.mask = build_mask(config.mask) if config.mask else None
        self.global_branch = Branch(config, config.global_attention, config.global_entry_kernels)
        self.local_branch = Branch(config, config.local_attention, config.local_entry_kernels)
        self.fusion = Concatenation(config) if config.fusion == "concat" else WeightedSum(config)

    def forward(self, feats: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Feats (B, T, F), lengths (B,) frames → embedding (B, D)."""
        masked = feats
        if self.training and self.mask is not None:
            masked = feats * self.mask(feats, lengths)
        whole, local = (feats, masked) if self.masked_branch == "local" else (masked, feats)
        from_global = self.global_branch(whole.unsqueeze(1), lengths)  # (B, 1, T, F) → (B, D)
        from_local = self.local_branch(local.unsqueeze(1), lengths)
        fused: Tensor = self.fusion(from_global, from_local)
        return fused

    def blocks_by_depth(self) -> list[list[nn.Module]]:
        """The stages of both branches side by side, then the fusion."""
        parts = [p for b in (self.global_branch, self.local_branch) for p in (b.entries, b.stages)]
        return [*map(list, zip(*parts, strict=True)), [self.fusion]]

    def penalty(self) -> Tensor:
        """What training adds to the loss, ()."""
        return self.fusion.penalty()

    def monitored(self) -> dict[str, float]:
        """What is logged each epoch: λ, and what a learnable mask is at."""
        return self.fusion.monitored() | (self.mask.monitored() if self.mask else {})


class WeightedSum(nn.Module):
    """F = λ F_G + (1 − λ) F_L with "a learnable weight coefficient λ", 1/2 at the start."""

    def __init__(self, config: SpectroMaskNetConfig) -> None:
        super().__init__()
        shape = (config.channels[-1],) if config.fusion == "per_channel" else ()
        self.logit = nn.Parameter(torch.zeros(shape))  # θ; λ = sigmoid(θ)
        self.penalty_weight = config.fusion_penalty

    def forward(self, from_global: Tensor, from_local: Tensor) -> Tensor:
        """(B, D), (B, D) → (B, D)."""
        weight = torch.sigmoid(self.logit)
        return weight * from_global + (1 - weight) * from_local

    def penalty(self) -> Tensor:
        """(λ − 0.5)², weighed, ()."""
        return self.penalty_weight * (torch.sigmoid(self.logit) - 0.5).square().mean()

    def monitored(self) -> dict[str, float]:
        """λ, the weight of the global branch."""
        return {"lambda": float(torch.sigmoid(self.logit.detach()).mean())}


class Concatenation(nn.Module):
    """A linear layer over both embeddings: the alternative that has no λ."""

    def __init__(self, config: SpectroMaskNetConfig) -> None:
        super().__init__()
        self.project = nn.Linear(2 * config.channels[-1], config.channels[-1])

    def forward(self, from_global: Tensor, from_local: Tensor) -> Tensor:
        """(B, D), (B, D) → (B, D)."""
        fused: Tensor = self.project(torch.cat([from_global, from_local], dim=1))
        return fused

    def penalty(self) -> Tensor:
        """Nothing, ()."""
        return torch.zeros((), device=self.project.weight.device)

    def monitored(self) -> dict[str, float]:
        """Nothing."""
        return {}


class Branch(nn.Module):
    """Four stages of a strided entry and attention modules, then the mean over time and frequency.

    "The dual branches … both adopt a 4-stage stacked structure" (Core parameters of each stage).
    """

    def __init__(
        self, config: SpectroMaskNetConfig, attention: Attention, entry_kernels: tuple[int, ...]
    ) -> None:
        super().__init__()
        self.strides, self.module_strides = config.strides, config.module_strides
        self.entries = nn.ModuleList(
            Entry(config, stage, kernel) for stage, kernel in enumerate(entry_kernels)
        )
        self.stages = nn.ModuleList(
            nn.ModuleList(module(config, stage, attention) for _ in range(depth))
            for stage, depth in enumerate(config.depths)
        )

    def forward(self, x: Tensor, lengths: Tensor | None) -> Tensor:
        """X (B, 1, T, F), lengths (B,) → (B, D)."""
        valid = None if lengths is None else Valid(lengths, x.shape[2])
        stages = zip(self.strides, self.entries, self.module_strides, self.stages, strict=True)
        for stride, enter, module_stride, modules in stages:
            x, valid = cut(x, valid), valid and valid.strided(stride)
            x, inside = enter(x, valid), valid and valid.strided(module_stride)
            for attend in modules:  # type: ignore[attr-defined]
                x = attend(cut(x, valid), valid, inside)
        return mean_over_map(x, valid).flatten(1)


class Entry(nn.Module):
    """The convolution that enters a stage: "downsampling is implemented via convolution"."""

    def __init__(self, config: SpectroMaskNetConfig, stage: int, kernel: int) -> None:
        super().__init__()
        inputs, outputs = (1, *config.channels)[stage : stage + 2]
        stride, separable = config.strides[stage], config.separable_entry and stage > 0
        groups = inputs if separable else 1
        self.conv = conv(inputs, inputs if separable else outputs, kernel, stride, groups=groups)
        self.inner_norm = normalise(config, inputs) if separable else None
        self.pointwise = conv(inputs, outputs, 1) if separable else None
        self.norm = normalise(config, outputs)
        self.activation = activate(config.activation)

    def forward(self, x: Tensor, valid: Valid | None) -> Tensor:
        """X (B, C, T, F) → (B, C', ⌈T / stride⌉, ⌈F / stride⌉), of which `valid` frames are."""
        x = self.conv(x)
        if self.inner_norm is not None and self.pointwise is not None:
            x = self.pointwise(self.inner_norm(x, valid))
        entered: Tensor = self.activation(self.norm(x, valid))
        return entered


class WeightedConv(nn.Module):
    """X + A(Y) ⊙ Y with Y = φ(norm(W * X)): the module of the global branch (Global branch design).

    X' = X ⊙ (A_c ⊗ A_t ⊗ A_f), then "residual connections". The text lists no convolution inside
    the module, the table of stages gives the branch 7×7 and 3×3 ones: X passes through convolution,
    norm and activation before it is weighted. Where the configuration has no convolution,
    attention stands alone and the norm comes last. With the squeeze-excitation's weights, or none,
    this is what the paper's Table 4 puts in the place of both attentions.
    """

    def __init__(self, config: SpectroMaskNetConfig, stage: int, weigh: nn.Module) -> None:
        super().__init__()
        C, kind = config.channels[stage], config.global_convs[stage]
        self.stride = 1 if kind == "none" else config.module_strides[stage]
        groups = C if kind == "depthwise" else 1
        kernel = config.global_kernels[stage]
        self.conv = None if kind == "none" else conv(C, C, kernel, self.stride, groups=groups)
        self.norm = normalise(config, C)
        self.activation = activate(config.activation)
        self.weigh = weigh

    def forward(self, x: Tensor, valid: Valid | None, inside: Valid | None) -> Tensor:
        """X (B, C, T, F), zero where it is padding → (B, C, T, F).

        `valid` frames are valid at the stage's resolution, `inside` at the module's.
        """
        if self.conv is None:
            alone: Tensor = self.norm(x + self.weigh(x, valid), valid)
            return alone
        y = self.activation(self.norm(self.conv(x), inside))  # (B, C, T', F')
        return add_repeated(x, self.weigh(y, inside), self.stride)


class GlobalWeights(nn.Module):
    """Y ⊙ (A_c ⊗ A_t ⊗ A_f): channel, temporal and frequency attention, multiplied."""

    def __init__(self, config: SpectroMaskNetConfig, stage: int) -> None:
        super().__init__()
        C, kernel = config.channels[stage], config.attention_kernel
        hidden = config.attention_hidden[stage]
        self.channel = ChannelAttention(C, config.reduction)
        self.temporal = AxisAttention(C, hidden, kernel)
        self.frequency = AxisAttention(C, hidden, kernel)

    def forward(self, y: Tensor, valid: Valid | None) -> Tensor:
        """Y (B, C, T, F) → (B, C, T, F)."""
        over_frequency = cut(mean_over_frequency(y), valid)  # (B, C, T, 1)
        over_time = mean_over_time(y, valid)  # (B, C, 1, F)
        A_c = self.channel(over_time.mean(3, keepdim=True))  # (B, C, 1, 1)
        A_t = self.temporal(over_frequency, valid)  # (B, 1 or C, T, 1)
        A_f = self.frequency(over_time.transpose(2, 3), None)  # (B, 1 or C, F, 1)
        weighted: Tensor = y * (A_c * A_t) * A_f.transpose(2, 3)
        return weighted


class ChannelWeights(nn.Module):
    """Y ⊙ s: the SCA of the local module, and squeeze-excitation where it stands alone."""

    def __init__(self, config: SpectroMaskNetConfig, stage: int) -> None:
        super().__init__()
        self.channel = ChannelAttention(config.channels[stage], config.reduction)

    def forward(self, y: Tensor, valid: Valid | None) -> Tensor:
        """Y (B, C, T, F) → (B, C, T, F)."""
        weighted: Tensor = y * self.channel(mean_over_map(y, valid))
        return weighted


class NoWeights(nn.Module):
    """Y as it is: "completely removed the attention mechanism" (Table 4)."""

    def forward(self, y: Tensor, valid: Valid | None) -> Tensor:  # noqa: ARG002
        """(B, C, T, F) → (B, C, T, F)."""
        return y


class LocalAttention(nn.Module):
    """Separable convolution, channel attention, enhancement and gate (Local branch design).

    Y = W_p * (W_d * X), s = σ(W2 ReLU(W1 GAP(Y))), Y ⊙ s, then "expands and restores channels
    through 1×1 convolutions while modeling fine-grained dependencies via depthwise convolutions",
    Ŷ = σ(W_g * Y) ⊙ Y, and the residual. "Layer Normalization is applied before the main
    transformations": by default between W_d and W_p, as in ConvNeXt, where it folds into W_d.
    """

    def __init__(self, config: SpectroMaskNetConfig, stage: int) -> None:
        super().__init__()
        C, kernel = config.channels[stage], config.local_kernels[stage]
        H = C * config.expansions[stage]
        self.stride = config.module_strides[stage]
        self.norm_first = config.local_norm == "before"
        self.depthwise = conv(C, C, kernel, self.stride, groups=C)
        self.norm = normalise(config, C, num_groups=1)
        self.pointwise = conv(C, C, 1, bias=True)
        self.weigh = ChannelWeights(config, stage)
        self.expand = conv(C, H, 1, bias=True)
        self.enhance = conv(H, H, 3, groups=H, bias=True)
        self.activation = activate(config.activation)
        self.restore = conv(H, C, 1, bias=True)
        self.gate = conv(C, C, 1, bias=True)

    def forward(self, x: Tensor, valid: Valid | None, inside: Valid | None) -> Tensor:
        """X (B, C, T, F), zero where it is padding → (B, C, T, F); as `WeightedConv`'s."""
        y = self.weigh(self.pointwise(self.normed(x, valid, inside)), inside)  # (B, C, T', F')
        y = self.enhance(cut(self.expand(y), inside))  # (B, H, T', F')
        y = self.restore(self.activation(y))  # (B, C, T', F')
        return add_repeated(x, y * torch.sigmoid(self.gate(y)), self.stride)

    def normed(self, x: Tensor, valid: Valid | None, inside: Valid | None) -> Tensor:
        """norm(W_d * X) or W_d * norm(X), (B, C, T', F')."""
        if self.norm_first:
            before: Tensor = self.depthwise(cut(self.norm(x, valid), valid))
            return before
        between: Tensor = self.norm(self.depthwise(x), inside)
        return between


class ChannelAttention(nn.Module):
    """σ(W2 ReLU(W1 z)) with 1×1 convolutions: A_c of the global module, s of the local one."""

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

    def forward(self, profile: Tensor, valid: Valid | None) -> Tensor:
        """Profile (B, C, L, 1) along the axis → weights (B, 1 or C, L, 1) in (0, 1)."""
        if self.first is not None:
            profile = cut(torch.relu(self.first(profile)), valid)  # (B, H, L, 1)
        return torch.sigmoid(self.last(profile))


def module(config: SpectroMaskNetConfig, stage: int, attention: Attention) -> nn.Module:
    """The module that a branch stacks."""
    if attention == "local":
        return LocalAttention(config, stage)
    if attention == "global":
        return WeightedConv(config, stage, GlobalWeights(config, stage))
    weights = ChannelWeights(config, stage) if attention == "se" else NoWeights()
    return WeightedConv(config, stage, weights)


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


def normalise(
    config: SpectroMaskNetConfig, channels: int, num_groups: int | None = None
) -> BatchNorm | GroupNorm:
    """The norm of the configuration; group norm with groups of 8 channels where none are named."""
    if config.norm == "batch":
        return BatchNorm(channels)
    return GroupNorm(num_groups or max(1, channels // 8), channels)
