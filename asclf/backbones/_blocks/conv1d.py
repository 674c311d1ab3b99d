"""Convolutions over time alone, of maps (B, C, T, 1).

The fourth dimension is there for the layout: with the channels last (NHWC) a training step on the
CPU is faster than with `nn.Conv1d`, whose layout is fixed.
"""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from asclf.backbones._blocks.norms import BatchNorm
from asclf.backbones._blocks.valid import Valid


class TimeConv(nn.Conv2d):
    """A convolution over time, (B, C, T, 1) → (B, C', T', 1).

    In training its taps stand side by side as channels under a kernel of one frame: the gradient of
    a kernel of several frames takes oneDNN up to three times as long with the channels last.

    Args:
        inputs: C.
        outputs: C'.
        kernel_size: Frames that the kernel spans.
        dilation: Distance of its frames.
        reflect: Reflect the ends, so that T' = T, which must be above `dilation * (kernel_size //
            2)`; else T' = T − dilation · (kernel_size − 1).
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel_size: int = 1,
        dilation: int = 1,
        *,
        reflect: bool = True,
    ) -> None:
        self.margin = dilation * (kernel_size // 2) if reflect else 0
        super().__init__(
            inputs,
            outputs,
            (kernel_size, 1),
            dilation=(dilation, 1),
            padding=(self.margin, 0),
            padding_mode="reflect" if self.margin else "zeros",
        )

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, T, 1) → (B, C', T', 1)."""
        if not self.training or self.kernel_size[0] == 1:
            return super().forward(x)
        if self.margin:
            x = functional.pad(x, (0, 0, self.margin, self.margin), mode="reflect")
        frames, (span, step) = map_as_frames(x), (self.kernel_size[0], self.dilation[0])
        last = frames.shape[1] - step * (span - 1)  # T'
        taps = torch.cat([frames[:, i * step :][:, :last] for i in range(span)], dim=2)
        kernel = self.weight.permute(0, 2, 3, 1).flatten(1)[:, :, None, None]  # (C', k · C, 1, 1)
        return functional.conv2d(frames_as_map(taps), kernel, self.bias)


class ConvReluNorm(nn.Module):
    """Convolution, ReLU, batch norm, in this order: (B, C, T, 1) → (B, C', T', 1).

    Args:
        inputs: C.
        outputs: C'.
        kernel_size: Frames that the kernel spans.
        dilation: Distance of its frames.
        reflect: Reflect the ends, so that T' = T; see `TimeConv`.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel_size: int = 1,
        dilation: int = 1,
        *,
        reflect: bool = True,
    ) -> None:
        super().__init__()
        self.conv = TimeConv(inputs, outputs, kernel_size, dilation, reflect=reflect)
        self.norm = BatchNorm(outputs)

    def forward(self, x: Tensor, valid: Valid | None = None) -> Tensor:
        """(B, C, T, 1) → (B, C', T', 1); `valid` frames of T' count in the norm."""
        return cast(Tensor, self.norm(functional.relu(self.conv(x), inplace=True), valid))


def frames_as_map(feats: Tensor) -> Tensor:
    """Feats (B, T, F) as a map (B, F, T, 1), whose channels then lie last in memory."""
    return feats.unsqueeze(2).permute(0, 3, 1, 2)


def map_as_frames(x: Tensor) -> Tensor:
    """A map (B, C, T, 1) as frames (B, T, C).

    `squeeze` would give the gradient a stride by which torch takes it for NCHW.
    """
    return x.permute(0, 2, 3, 1).flatten(2)
