"""Audio fingerprints: what stays of a recording after a change of level, format or cut.

The signal at 16 kHz is seen through 25 bands from 200 to 7000 Hz, every 16 ms. A bit says whether
the level difference of two neighbouring bands rises or falls over 64 ms. Gain cancels in the
difference of bands, a steady spectrum in that of times, and what is left is the fine structure that
no two recordings share: after Haitsma and Kalker, "A highly robust audio fingerprinting system"
(ISMIR 2002).

Here every bit also says whether it means anything. Where a band lies near the noise of quantisation
or far below the frame's loudest, or where nothing moves, as in digital silence or a steady tone, it
does not, and is never compared.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

SAMPLE_RATE = 16_000
WINDOW = 2048
HOP = 256
HOP_S = HOP / SAMPLE_RATE
LAG = 4
"""Frames between the two times of a difference."""
NUM_BITS = 24
LOW_HZ, HIGH_HZ = 200.0, 7000.0
LOWEST_DB = -102.0
"""Level of a band, in dB below full scale, under which it is taken for quantisation noise."""
RANGE_DB = 50.0
"""How far below the loudest band of its frame a band may lie and still count."""
LEAST_STEP_DB = 0.1
"""Smaller differences are those of a sound in which nothing moves."""

Words = NDArray[np.uint32]
Levels = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Fingerprint:
    """The bits of a recording, 24 for every 16 ms.

    Attributes:
        words: (T,) one word a frame, its lowest bit the lowest pair of bands.
        valid: (T,) the bits of `words` that mean something.
    """

    words: Words
    valid: Words

    def __len__(self) -> int:
        return len(self.words)


def fingerprint(blocks: Iterable[NDArray[np.float32]]) -> Fingerprint:
    """Computes the fingerprint of a recording that comes in blocks (S,) at `SAMPLE_RATE`.

    Less than 0.2 s gives none: a fingerprint without a word.
    """
    levels, rest = [np.empty((0, NUM_BITS + 1), np.float32)], np.empty(0, np.float32)
    for block in blocks:
        samples = np.concatenate([rest, block])
        levels.append(band_levels(samples))
        rest = samples[len(levels[-1]) * HOP :]
    return _fingerprint_of(np.concatenate(levels))


def band_levels(waveform: NDArray[np.float32]) -> Levels:
    """Levels of the bands of a waveform (S,) in dB below full scale: (T, 25)."""
    if len(waveform) < WINDOW:
        return np.empty((0, NUM_BITS + 1), np.float32)
    window, bands = _analysis()
    frames = np.lib.stride_tricks.sliding_window_view(waveform, WINDOW)[::HOP]  # (T, WINDOW)
    parts = np.array_split(frames, -(-len(frames) // 512))  # a long block, 512 frames at once
    power = np.concatenate([np.abs(np.fft.rfft(part * window)) ** 2 @ bands for part in parts])
    return (10 * np.log10(power + 1e-20)).astype(np.float32)


def _fingerprint_of(levels: Levels) -> Fingerprint:
    if len(levels) <= LAG:
        return Fingerprint(np.empty(0, np.uint32), np.empty(0, np.uint32))
    steps = np.diff(levels[LAG:] - levels[:-LAG], axis=1)  # (T, NUM_BITS)
    loudest = levels.max(axis=1, keepdims=True)
    heard = levels > np.maximum(loudest - RANGE_DB, LOWEST_DB)
    heard = heard[LAG:] & heard[:-LAG]
    valid = heard[:, 1:] & heard[:, :-1] & (np.abs(steps) > LEAST_STEP_DB)
    return Fingerprint(_pack((steps > 0) & valid), _pack(valid))


def _pack(bits: NDArray[np.bool_]) -> Words:
    """(T, NUM_BITS) → (T,)."""
    packed: Words = bits @ (1 << np.arange(NUM_BITS, dtype=np.uint32))
    return packed


@lru_cache(maxsize=1)
def _analysis() -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The window (WINDOW,), and what sums the power of its bins by band (bins, bands)."""
    window = np.hanning(WINDOW + 1)[:-1]
    edges = np.geomspace(LOW_HZ, HIGH_HZ, NUM_BITS + 2)
    bins_hz = np.fft.rfftfreq(WINDOW, 1 / SAMPLE_RATE)[:, None]  # (bins, 1)
    bands = (bins_hz >= edges[:-1]) & (bins_hz < edges[1:])  # (bins, bands)
    full_scale = WINDOW * np.sum(window**2) / 2
    return window.astype(np.float32), (bands / full_scale).astype(np.float32)
