"""Adding a coarse map to a fine one."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import interpolate


def add_repeated(x: Tensor, y: Tensor, factor: int) -> Tensor:
    """X (B, C, T, F) + Y (B, C, ⌈T / factor⌉, ⌈F / factor⌉), whose cells are repeated."""
    if factor == 1:
        return x + y
    T, F = x.shape[2:]
    scale = float(factor)
    if torch.compiler.is_exporting():  # ONNX takes the size or the factor, and rounds the former
        return x + interpolate(y, scale_factor=scale)[:, :, :T, :F]
    # Size and factor: cutting what is too much would cost a zero-filled map in the backward pass.
    repeated: Tensor = torch.ops.aten.upsample_nearest2d(y, [T, F], scale, scale)
    return x + repeated
