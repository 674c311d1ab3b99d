"""Stretches of time or of frequency."""

from __future__ import annotations

import torch
from torch import Tensor


def in_span(start: Tensor, width: Tensor, size: int) -> Tensor:
    """Starts and widths (…,) → (…, size) bool, True on the `width` places from `start` on."""
    place = torch.arange(size, device=start.device)
    start, end = start.unsqueeze(-1), (start + width).unsqueeze(-1)
    return (place >= start) & (place < end)
