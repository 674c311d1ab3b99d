"""The level of a clip: one gain for the whole of it, or none."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

Level = Literal["none", "rms_-20"]

TARGET_RMS = 0.1
"""−20 dB relative to full scale."""
SILENCE_RMS = 1e-5
"""A clip below this (−100 dB) is silence, and gets no gain."""


def normalise_level(waveform: NDArray[np.float32], level: Level) -> NDArray[np.float32]:
    """Brings a clip (S,) to the given root mean square, or leaves it as it is.

    Peaks may pass ±1 afterwards and are not clipped, since clipping would bend the spectrum.
    """
    if level == "none" or not len(waveform):
        return waveform
    rms = float(np.sqrt(np.mean(np.square(waveform, dtype=np.float64))))
    if rms < SILENCE_RMS:
        return waveform
    return np.multiply(waveform, TARGET_RMS / rms, dtype=np.float32)
