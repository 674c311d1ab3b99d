"""What the augmenters that mix clips in pairs share."""

from __future__ import annotations

import numpy as np
import torch
from torch import Generator, Tensor

from asclf.augmenters._draw import clips_that_happen


def draw_shares(num_clips: int, alpha: float, prob: float, generator: Generator) -> Tensor:
    """(B,) shares that clips keep: Beta(alpha, alpha), or 1 for a clip that is not to be mixed."""
    seed = int(torch.randint(2**62, (), generator=generator))  # torch's Beta takes no generator
    share = np.random.default_rng(seed).beta(alpha, alpha, num_clips)
    mixes = clips_that_happen(num_clips, prob, generator)
    return torch.from_numpy(share.astype(np.float32)).where(mixes, 1.0)


def mix(values: Tensor, partner: Tensor, share: Tensor) -> Tensor:
    """`share` (B,) of each row of (B, …), the rest from the row that `partner` (B,) names."""
    share = share.reshape(-1, *[1] * (values.ndim - 1))  # (B, 1, …)
    return share * values + (1 - share) * values[partner]
