"""Kaldi's mel filters, and the bands they lie in.

Povey et al., The Kaldi speech recognition toolkit, ASRU 2011; `mel-computations.cc` of Kaldi. As
there all is float32, the edges of the filters included, since a tone at the foot of a filter would
otherwise differ visibly in its logarithm.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from asclf.errors import ConfigError


def mel_filters(
    num_mel_bins: int, low_freq_hz: float, high_freq_hz: float, *, sample_rate: int, fft_size: int
) -> NDArray[np.float32]:
    """Triangles on the mel scale, as a matrix (fft_size // 2 + 1, F) of weights.

    Args:
        num_mel_bins: F.
        low_freq_hz: Lower edge of the lowest filter.
        high_freq_hz: Upper edge of the highest; 0 or less counts from half the sample rate.
        sample_rate: In Hz.
        fft_size: Points of the FFT whose bins are weighted; even.

    Raises:
        ConfigError: The band does not fit the sample rate, or a filter lies between two bins.
    """
    low, high = (_mel(np.float32(edge)) for edge in band_hz(low_freq_hz, high_freq_hz, sample_rate))
    delta = (high - low) / np.float32(num_mel_bins + 1)
    edges = low + np.arange(num_mel_bins + 2, dtype=np.float32) * delta
    left, centre, right = edges[:-2], edges[1:-1], edges[2:]
    width = np.float32(sample_rate) / np.float32(fft_size)
    mel = _mel(width * np.arange(fft_size // 2, dtype=np.float32))[:, None]
    rising, falling = (mel - left) / (centre - left), (right - mel) / (right - centre)
    weights = np.where(mel <= centre, rising, falling)  # (fft_size // 2, F)
    weights[(mel <= left) | (mel >= right)] = 0.0
    if not weights.any(axis=0).all():
        raise empty_filters(num_mel_bins, sample_rate)
    return np.pad(weights, ((0, 1), (0, 0)))  # no filter reaches half the sample rate


def band_hz(low_hz: float, high_hz: float, sample_rate: int) -> tuple[float, float]:
    """Lower and upper edge of mel filters; an upper edge of 0 or less counts from half the rate.

    Raises:
        ConfigError: They are not in order below half the sample rate.
    """
    nyquist = sample_rate / 2
    high = high_hz if high_hz > 0 else nyquist + high_hz
    if not low_hz < high <= nyquist:
        raise ConfigError(
            f"from {low_hz:g} to {high:g} Hz is not a band at a sample rate of {sample_rate} Hz",
            expected=f"low_freq_hz < high_freq_hz ≤ {nyquist:g}",
        )
    return low_hz, high


def empty_filters(num_mel_bins: int, sample_rate: int) -> ConfigError:
    """The error of a mel scale that is finer than the FFT."""
    return ConfigError(
        f"{num_mel_bins} mel bins leave filters empty at {sample_rate} Hz",
        hint="set fewer num_mel_bins, or a longer frame_length_ms or n_fft",
    )


def _mel(hz: NDArray[np.float32] | np.float32) -> Any:
    ratio = np.float32(1) + hz / np.float32(700)
    return np.float32(1127) * np.log(ratio.astype(np.float64)).astype(np.float32)  # as C's logf
