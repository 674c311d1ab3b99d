"""Features without torch: what the device runs, kaldi-native-fbank for all but published weights.

For `fbank` this is the reference, which training's batched front end is held to.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal

import kaldi_native_fbank
import numpy as np
import pydantic
from numpy.typing import NDArray
from pydantic import Field, NonNegativeFloat, PositiveFloat

from asclf.audio.efficientat_mel import EfficientatMelOptions, efficientat_mel
from asclf.audio.level import Level, normalise_level
from asclf.audio.mel import band_hz, empty_filters
from asclf.config.component import component_config
from asclf.errors import BundleError, ConfigError

Window = Literal["povey", "hanning", "hamming", "blackman", "rectangular"]


@component_config
class FbankOptions:
    """Kaldi's log mel filter-bank energies, with the level before them and the floor after them.

    Samples stay in [−1, 1]; Kaldi's own tools take ±32768, which adds a constant. There is no
    dither: the same clip gives the same features.
    """

    num_mel_bins: Annotated[int, Field(ge=3)] = 80
    """Triangular filters, spaced evenly on the mel scale."""
    frame_length_ms: PositiveFloat = 25.0
    """Length of a frame."""
    frame_shift_ms: PositiveFloat = 10.0
    """Distance between the starts of two frames."""
    window: Window = "povey"
    """Shape that a frame is multiplied by."""
    preemphasis: Annotated[float, Field(ge=0, le=1)] = 0.97
    """Share of the sample before that is taken off each sample."""
    remove_dc_offset: bool = True
    """Take the mean off each frame."""
    low_freq_hz: NonNegativeFloat = 20.0
    """Lower edge of the lowest filter."""
    high_freq_hz: float = -400.0
    """Upper edge of the highest filter; 0 or less counts from half the sample rate."""
    snip_edges: bool = False
    """Leave out frames that reach over the ends; otherwise the clip is mirrored at its ends."""
    level: Level = "none"
    """Gain that the clip gets first."""
    floor_db: PositiveFloat | None = 50.0
    """Raise what is further than this below the clip's maximum; `null` leaves it."""
    mean_norm: bool = True
    """Take its mean over the clip off each mel bin, after the floor."""

    @pydantic.model_validator(mode="after")
    def _check_frames(self) -> FbankOptions:
        if self.frame_shift_ms > self.frame_length_ms:
            raise ValueError("a frame_shift_ms of at most frame_length_ms")
        return self

    @property
    def floor_nats(self) -> float | None:
        """`floor_db` on the scale of the features, natural logarithms of energies."""
        return None if self.floor_db is None else self.floor_db / 10 * math.log(10)


def fbank(
    waveform: NDArray[np.float32], sample_rate: int, options: FbankOptions
) -> NDArray[np.float32]:
    """Computes a clip's features.

    A clip shorter than one frame is filled up with zeros to one frame. Energies below float32's
    epsilon are raised to it, as in Kaldi.

    Args:
        waveform: (S,) in [−1, 1].
        sample_rate: In Hz.
        options: See `FbankOptions`.

    Returns:
        (T, F) float32, in natural logarithms of energies.

    Raises:
        ConfigError: The options do not fit the sample rate.
    """
    native = _native_options(options, sample_rate)
    waveform = normalise_level(waveform, options.level)
    frame_length, _ = frame_samples(options, sample_rate)
    waveform = np.pad(waveform, (0, max(0, frame_length - len(waveform))))
    try:
        computer = kaldi_native_fbank.OnlineFbank(native)
    except ValueError as error:
        raise empty_filters(options.num_mel_bins, sample_rate) from error
    computer.accept_waveform(sample_rate, waveform.tolist())  # a list converts faster than an array
    computer.input_finished()
    feats = np.stack([computer.get_frame(i) for i in range(computer.num_frames_ready)])  # (T, F)
    return _finish(feats, options)


def compute_features(
    waveform: NDArray[np.float32], description: Mapping[str, Any]
) -> NDArray[np.float32]:
    """Computes what the front end of a bundle describes: what runs on the device.

    Args:
        waveform: (S,) in [−1, 1], at the sample rate of the description.
        description: `type`, `sample_rate` and the options of that type, as `describe` of a front
            end gives them.

    Returns:
        (T, F) float32; for type `waveform` (S, 1).

    Raises:
        BundleError: The description is of another type, or has other options.
    """
    options = dict(description)
    kind, sample_rate = options.pop("type", None), options.pop("sample_rate", None)
    if kind == "waveform":
        return waveform[:, None]
    if kind not in SPECTRA or not isinstance(sample_rate, int):
        raise BundleError(
            f"a front end of type {kind!r} at {sample_rate!r} Hz cannot be computed here",
            expected=f"one of the types {', '.join(DEVICE_TYPES)}, and a sample rate",
        )
    options_type, compute = SPECTRA[kind]
    try:
        return compute(waveform, sample_rate, options_type(**options))
    except pydantic.ValidationError as error:
        first = error.errors()[0]
        name = ".".join(map(str, first["loc"]))
        raise BundleError(f"front-end option `{name}`: {first['msg']}") from error


def frame_samples(options: FbankOptions, sample_rate: int) -> tuple[int, int]:
    """Length and shift of a frame in samples, rounded down in float32 as Kaldi does.

    Raises:
        ConfigError: A frame would have fewer than two samples, or not move.
    """
    per_ms = np.float32(sample_rate) * np.float32(0.001)
    length = int(per_ms * np.float32(options.frame_length_ms))
    shift = int(per_ms * np.float32(options.frame_shift_ms))
    if length < 2 or shift < 1:
        raise ConfigError(
            f"a frame of {length} samples every {shift} is too short at {sample_rate} Hz",
            expected="at least 2 samples every 1",
            hint="set a longer frame_length_ms or frame_shift_ms",
        )
    return length, shift


def _native_options(options: FbankOptions, sample_rate: int) -> kaldi_native_fbank.FbankOptions:
    """The options in kaldi-native-fbank's own words.

    Raises:
        ConfigError: They do not fit the sample rate.
    """
    native = kaldi_native_fbank.FbankOptions()
    frame, mel = native.frame_opts, native.mel_opts
    frame.samp_freq, frame.dither = sample_rate, 0.0
    frame.frame_length_ms, frame.frame_shift_ms = options.frame_length_ms, options.frame_shift_ms
    frame.window_type, frame.preemph_coeff = options.window, options.preemphasis
    frame.remove_dc_offset, frame.snip_edges = options.remove_dc_offset, options.snip_edges
    mel.num_bins = options.num_mel_bins
    mel.low_freq, mel.high_freq = band_hz(options.low_freq_hz, options.high_freq_hz, sample_rate)
    return native


def _finish(feats: NDArray[np.float32], options: FbankOptions) -> NDArray[np.float32]:
    """The floor, then the mean; both over one clip."""
    if options.floor_nats is not None:
        feats = np.maximum(feats, feats.max() - np.float32(options.floor_nats))
    if options.mean_norm:
        feats = feats - feats.mean(axis=0, dtype=np.float64).astype(np.float32)
    return feats


Compute = Callable[[NDArray[np.float32], int, Any], NDArray[np.float32]]

SPECTRA: Mapping[str, tuple[type, Compute]] = {
    "efficientat_mel": (EfficientatMelOptions, efficientat_mel),
    "fbank": (FbankOptions, fbank),
}
"""Type of a front end: its options, and what computes it."""
DEVICE_TYPES = (*SPECTRA, "waveform")
"""The types that `compute_features` takes."""
