"""Means of maps (B, C, T, F) that keep the channels last in the backward pass.

The gradient of `Tensor.mean` is laid out NCHW whatever its input was. Added to gradients with the
channels last it slows every layer before it: a sixth of a small network's training step.
Average pooling gives the same numbers and keeps the layout.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d

from asclf.backbones._blocks.valid import Valid, cut


def mean_over_frequency(x: Tensor) -> Tensor:
    """(B, C, T, F) → (B, C, T, 1)."""
    return avg_pool2d(x, (1, x.shape[3]))


def mean_over_time(x: Tensor, valid: Valid | None = None) -> Tensor:
    """(B, C, T, F) → mean over valid frames (B, C, 1, F)."""
    if torch.compiler.is_exporting():  # ONNX fixes the size of a pooling window, and T is free
        return x.mean(2, keepdim=True)
    mean = avg_pool2d(cut(x, valid), (x.shape[2], 1))
    return mean if valid is None else mean * (x.shape[2] / valid.lengths.view(-1, 1, 1, 1))


def mean_over_map(x: Tensor, valid: Valid | None = None) -> Tensor:
    """(B, C, T, F) → mean over frequency and valid frames (B, C, 1, 1): global average pooling."""
    return mean_over_time(x, valid).mean(3, keepdim=True)
