"""Means of maps (B, C, T, F) that keep the channels last in the backward pass.

The gradient of `Tensor.mean` is laid out NCHW whatever its input was. Added to gradients with the
channels last it slows every layer before it, by a third of a small network's training step.
Average pooling gives the same numbers and keeps the layout.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d


def mean_over_frequency(x: Tensor) -> Tensor:
    """(B, C, T, F) → (B, C, T, 1)."""
    return avg_pool2d(x, (1, x.shape[3]))


def mean_over_time(x: Tensor) -> Tensor:
    """(B, C, T, F) → (B, C, 1, F)."""
    if torch.compiler.is_exporting():  # ONNX fixes the size of a pooling window, and T is free
        return x.mean(2, keepdim=True)
    return avg_pool2d(x, (x.shape[2], 1))
