"""torchaudio's mel spectrogram, with options that fail where torchaudio only warns."""

from __future__ import annotations

import warnings
from typing import Annotated, Any, Literal

from pydantic import Field, NonNegativeFloat
from torch import nn
from torchaudio.transforms import MelSpectrogram

from asclf.audio.mel import band_hz, empty_filters
from asclf.config import component_config
from asclf.frontends._spectral import StftOptions


@component_config
class MelOptions(StftOptions):
    """How a spectrum becomes mel bins."""

    num_mel_bins: Annotated[int, Field(ge=1)] = 80
    """Triangular filters."""
    low_freq_hz: NonNegativeFloat = 0.0
    """Lower edge of the lowest filter."""
    high_freq_hz: float = 0.0
    """Upper edge of the highest filter; 0 or less counts from half the sample rate."""
    mel_scale: Literal["htk", "slaney"] = "htk"
    """Formula of the mel scale."""
    mel_norm: Literal["slaney"] | None = None
    """`slaney` divides each filter by its width."""


def make_mel_spectrogram(
    config: MelOptions, sample_rate: int, stft_options: dict[str, Any]
) -> nn.Module:
    """Makes the transform (B, S) → (B, F, T).

    Raises:
        ConfigError: The band does not fit the sample rate, or a filter lies between two bins.
    """
    low, high = band_hz(config.low_freq_hz, config.high_freq_hz, sample_rate)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        try:
            mel_spectrogram: nn.Module = MelSpectrogram(
                sample_rate,
                f_min=low,
                f_max=high,
                n_mels=config.num_mel_bins,
                norm=config.mel_norm,
                mel_scale=config.mel_scale,
                **stft_options,
            )
        except UserWarning as warning:  # torchaudio goes on with empty filters
            raise empty_filters(config.num_mel_bins, sample_rate) from warning
    return mel_spectrogram
