"""Clips too short for a network's poolings."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import pad


def repeat_last_frame(
    feats: Tensor, lengths: Tensor | None, min_frames: int
) -> tuple[Tensor, Tensor | None]:
    """Repeats the last frame of each shorter clip until it has `min_frames`.

    Args:
        feats: (B, T, F).
        lengths: (B,) frames of each clip, or `None` where none is padded.
        min_frames: Frames that the network needs.

    Returns:
        Feats (B, max(T, min_frames), F) and the new lengths.
    """
    # A branch would not be exported.
    missing = torch.sym_max(min_frames - feats.shape[1], 0)  # type: ignore[no-untyped-call]
    if lengths is not None:
        places = torch.arange(feats.shape[1], device=feats.device)
        places = places.minimum(lengths.unsqueeze(1) - 1)  # (B, T)
        feats = feats.take_along_dim(places.unsqueeze(2), dim=1)
        lengths = lengths.clamp_min(min_frames)
    longer = pad(feats.unsqueeze(1), (0, 0, 0, missing), mode="replicate")  # (B, 1, T', F)
    return longer.squeeze(1), lengths
