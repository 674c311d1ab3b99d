"""Fits clips of any length to the number of frames that a network has room for."""

from __future__ import annotations

import torch
from torch import Tensor


def fit_frames(feats: Tensor, lengths: Tensor | None, num_frames: int) -> Tensor:
    """Takes the middle of a longer clip and repeats a shorter one from its start.

    Both are one gather with places modulo the clip's length, which has no branch: it is exported
    for any number of frames, and leaves a clip of `num_frames` frames as it is.

    Args:
        feats: (B, T, F).
        lengths: (B,) frames of each clip, or `None` where none is padded.
        num_frames: Frames that each clip gets, N.

    Returns:
        (B, N, F), without padding.
    """
    if lengths is None:
        whole = torch.full((1,), feats.shape[1], device=feats.device)
        return feats.index_select(1, _places(whole, num_frames)[0])
    return feats.take_along_dim(_places(lengths, num_frames).unsqueeze(2), dim=1)


def _places(lengths: Tensor, num_frames: int) -> Tensor:
    """Which frames of clips of these lengths (B,) are taken, (B, N)."""
    lengths = lengths.unsqueeze(1)  # (B, 1)
    first = (lengths - num_frames).clamp_min(0) // 2
    return (first + torch.arange(num_frames, device=lengths.device)) % lengths
