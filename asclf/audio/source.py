"""What may be classified, a file or an array, as the waveform that a front end takes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from asclf.audio.io import LARGEST_SAMPLE, load_audio
from asclf.audio.resample import resample
from asclf.errors import AudioError

Samples = NDArray[np.floating[Any]]


def read_source(
    source: str | Path | Samples, sample_rate: int, from_hz: int | None = None
) -> tuple[NDArray[np.float32], str]:
    """Reads a file, or takes samples, as mono at `sample_rate`.

    Args:
        source: A file, or floating-point samples (S,) or (S, channels) in [−1, 1].
        sample_rate: Wanted, in Hz.
        from_hz: Sample rate of an array; `sample_rate` where it is not given.

    Returns:
        The waveform (S,), and a name for messages.

    Raises:
        AudioError: The file cannot be decoded, or the array is not finite samples.
    """
    if isinstance(source, str | Path):
        return load_audio(Path(source), sample_rate), str(source)
    waveform = resample(_mono(source), from_hz or sample_rate, sample_rate)
    return np.clip(waveform, -1.0, 1.0), "array"


def _mono(samples: Samples) -> NDArray[np.float32]:
    if not np.issubdtype(samples.dtype, np.floating):
        raise AudioError(
            f"the samples are {samples.dtype}",
            expected="floating-point samples in [−1, 1]",
            hint="divide 16-bit integers by 32768",
        )
    if samples.ndim not in (1, 2) or samples.size == 0:
        raise AudioError(
            f"the samples have the shape {samples.shape}",
            expected="(S,) or (S, channels), not empty",
        )
    largest = np.abs(samples).max()  # NaN where one sample is
    if not largest <= LARGEST_SAMPLE:
        raise AudioError(
            f"a sample is {largest:g}",
            expected="numbers in [−1, 1]",
            hint="divide by the scale that the samples are on",
        )
    mono = samples if samples.ndim == 1 else samples.mean(axis=1)  # (S,)
    return mono.astype(np.float32)
