"""EfficientAT's mel features without torch: what the device runs.

Source: `models/preprocess.py` of github.com/fschmid56/EfficientAT (MIT), in evaluation mode, which
follows PaSST (arXiv 2110.05069): pre-emphasis of the whole clip, power spectrum, Kaldi's mel
filters up to 1000 Hz below half the sample rate, logarithm, and one fixed scale for every clip.
"""

from __future__ import annotations

from typing import Annotated

import numpy as np
import pydantic
from numpy.typing import NDArray
from pydantic import Field, NonNegativeFloat, PositiveFloat

from asclf.audio.mel import mel_filters
from asclf.config.component import component_config
from asclf.errors import ConfigError

PREEMPHASIS = 0.97
ENERGY_OFFSET = 1e-5
"""Added to the mel energies before their natural logarithm."""
LOG_SHIFT, LOG_SCALE = 4.5, 5.0
"""(logarithm + shift) / scale is about −1 to 1."""


@component_config
class EfficientatMelOptions:
    """Size of frames and filters; the defaults are those of the published weights, at 32 kHz."""

    num_mel_bins: Annotated[int, Field(ge=3)] = 128
    """Triangular filters, spaced evenly on the mel scale."""
    frame_length_ms: PositiveFloat = 25.0
    """Length of the Hann window."""
    frame_shift_ms: PositiveFloat = 10.0
    """Distance between the middles of two frames."""
    n_fft: Annotated[int, Field(ge=2, multiple_of=2)] = 1024
    """Points of the FFT, even."""
    low_freq_hz: NonNegativeFloat = 0.0
    """Lower edge of the lowest filter."""
    high_freq_hz: float = -1000.0
    """Upper edge of the highest filter; 0 or less counts from half the sample rate."""

    @pydantic.model_validator(mode="after")
    def _check_frames(self) -> EfficientatMelOptions:
        if self.frame_shift_ms > self.frame_length_ms:
            raise ValueError("a frame_shift_ms of at most frame_length_ms")
        return self


def efficientat_mel(
    waveform: NDArray[np.float32], sample_rate: int, options: EfficientatMelOptions
) -> NDArray[np.float32]:
    """Computes a clip's features.

    A clip shorter than one FFT is filled up with zeros to it; at its ends a clip is mirrored.

    Args:
        waveform: (S,) in [−1, 1].
        sample_rate: In Hz.
        options: See `EfficientatMelOptions`.

    Returns:
        (T, F) float32, T being 1 + ⌊(S − 1) / shift⌋.

    Raises:
        ConfigError: The options do not fit the sample rate.
    """
    window, shift = make_window(options, sample_rate), frame_shift(options, sample_rate)
    filters = make_filters(options, sample_rate)
    waveform = np.pad(waveform, (0, max(0, options.n_fft - len(waveform))))
    emphasised = waveform[1:] - np.float32(PREEMPHASIS) * waveform[:-1]  # (S - 1,)
    mirrored = np.pad(emphasised, options.n_fft // 2, mode="reflect")
    frames = np.lib.stride_tricks.sliding_window_view(mirrored, options.n_fft)[::shift]  # (T, L)
    spectrum = np.fft.rfft(frames * window)  # (T, n_fft // 2 + 1)
    energies = np.square(np.abs(spectrum)).astype(np.float32) @ filters  # (T, F)
    logarithms = np.log(energies + np.float32(ENERGY_OFFSET))
    feats: NDArray[np.float32] = (logarithms + np.float32(LOG_SHIFT)) / np.float32(LOG_SCALE)
    return feats


def make_window(options: EfficientatMelOptions, sample_rate: int) -> NDArray[np.float32]:
    """The symmetric Hann window in the middle of an FFT's points, zero around it: (n_fft,).

    Raises:
        ConfigError: It does not fit into the FFT, or has fewer than two points.
    """
    length = round(options.frame_length_ms * sample_rate / 1000)
    if not 2 <= length <= options.n_fft:
        raise ConfigError(
            f"frames of {length} samples do not fit an FFT of {options.n_fft} points",
            expected="2 ≤ frame_length_ms in samples ≤ n_fft",
        )
    before = (options.n_fft - length) // 2
    window = np.pad(np.hanning(length), (before, options.n_fft - length - before))
    return window.astype(np.float32)


def make_filters(options: EfficientatMelOptions, sample_rate: int) -> NDArray[np.float32]:
    """The mel filters, (n_fft // 2 + 1, F).

    Raises:
        ConfigError: The band does not fit the sample rate, or a filter lies between two bins.
    """
    return mel_filters(
        options.num_mel_bins,
        options.low_freq_hz,
        options.high_freq_hz,
        sample_rate=sample_rate,
        fft_size=options.n_fft,
    )


def frame_shift(options: EfficientatMelOptions, sample_rate: int) -> int:
    """Distance between two frames in samples.

    Raises:
        ConfigError: They would not move.
    """
    shift = round(options.frame_shift_ms * sample_rate / 1000)
    if shift < 1:
        raise ConfigError(
            f"frames that move by {options.frame_shift_ms:g} ms do not move at {sample_rate} Hz",
            expected="at least one sample",
            hint="set a longer frame_shift_ms",
        )
    return shift
