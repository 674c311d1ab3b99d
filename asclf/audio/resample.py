"""Sample-rate conversion by soxr."""

from __future__ import annotations

import numpy as np
import soxr
from numpy.typing import NDArray


def resample(waveform: NDArray[np.float32], from_hz: int, to_hz: int) -> NDArray[np.float32]:
    """Converts a clip (S,) between sample rates: soxr's HQ quality, linear phase, no delay.

    Returns:
        (S',) float32 with S' = S · to_hz / from_hz, rounded; the input itself at equal rates.
    """
    if from_hz == to_hz:
        return waveform
    converted: NDArray[np.float32] = soxr.resample(waveform, from_hz, to_hz, quality="HQ")
    return converted
