"""Sample-rate conversion by soxr."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import soxr
from numpy.typing import NDArray

QUALITY = "HQ"


def resample(waveform: NDArray[np.float32], from_hz: int, to_hz: int) -> NDArray[np.float32]:
    """Converts a clip (S,) between sample rates: soxr's HQ quality, linear phase, no delay.

    Returns:
        (S',) float32 with S' = S · to_hz / from_hz, rounded; the input itself at equal rates.
    """
    if from_hz == to_hz:
        return waveform
    converted: NDArray[np.float32] = soxr.resample(waveform, from_hz, to_hz, quality=QUALITY)
    return converted


def resample_blocks(
    blocks: Iterable[NDArray[np.float32]], from_hz: int, to_hz: int
) -> Iterator[NDArray[np.float32]]:
    """Converts a recording that comes in blocks (S,), as `resample` would the whole of it.

    Yields:
        Blocks (S',), of other lengths than those that came, none of them empty.
    """
    if from_hz == to_hz:
        yield from blocks
        return
    stream = soxr.ResampleStream(from_hz, to_hz, 1, dtype="float32", quality=QUALITY)
    for block in blocks:
        converted = stream.resample_chunk(block)
        if len(converted):
            yield converted
    rest = stream.resample_chunk(np.empty(0, np.float32), last=True)
    if len(rest):
        yield rest
