"""Two-dimensional convolutions over maps (B, C, T, F), and the ways into and out of such maps."""

from __future__ import annotations

from typing import Annotated, TypeAlias, cast

import torch
from pydantic import Field, PositiveInt
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d

from asclf.backbones._blocks.norms import BatchNorm
from asclf.backbones._blocks.valid import Valid, cut

PerStage: TypeAlias = Annotated[tuple[PositiveInt, ...], Field(min_length=4, max_length=4)]
"""A number for each of a residual network's four stages."""


class ConvNorm(nn.Module):
    """Convolution, then batch norm.

    Padding is set to zero before the convolution, as what lies beyond the end of a clip, and the
    norm does not count it.
    """

    def __init__(
        self, inputs: int, outputs: int, kernel: int = 1, stride: int = 1, *, bias: bool = False
    ) -> None:
        super().__init__()
        self.stride = stride
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=bias)
        self.norm = BatchNorm(outputs)

    def forward(self, x: Tensor, valid: Valid | None) -> Tensor:
        """(B, C, T, F), valid frames of T → (B, C', ⌈T / stride⌉, ⌈F / stride⌉)."""
        return cast(
            Tensor, self.norm(self.conv(cut(x, valid)), valid and valid.strided(self.stride))
        )


def map_of(feats: Tensor) -> Tensor:
    """(B, T, F) → (B, 1, T, F) with the channels last.

    With one channel both layouts are one, but for a stride that torch reads: after `unsqueeze(1)`
    it takes maps for NCHW and keeps them so up to the first kernel of several cells.
    """
    return feats.unsqueeze(3).permute(0, 3, 1, 2)


def frames_of(x: Tensor) -> Tensor:
    """(B, C, T, F) → (B, C · F, T), whose gradient comes back with the channels last."""
    if not torch.compiler.is_exporting():
        x = avg_pool2d(x, 1)  # the same values; the backward pass of `flatten` alone would be NCHW
    return x.transpose(2, 3).flatten(1, 2)


def halved(size: int, times: int) -> int:
    """What convolutions of stride 2 leave of a size, each rounding up."""
    return -(-size >> times)


def initialise(network: nn.Module) -> None:
    """Draws the kernels of all convolutions by He et al. 2015 (arXiv 1502.01852), from fan-out."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
