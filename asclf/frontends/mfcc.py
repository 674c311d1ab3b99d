"""torchaudio's mel-frequency cepstral coefficients."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, PositiveFloat
from torch import Tensor
from torchaudio.functional import amplitude_to_DB, create_dct

from asclf.config import component_config
from asclf.errors import ConfigError
from asclf.frontends._mel import MelOptions, make_mel_spectrogram
from asclf.frontends._spectral import SpectralFrontend, natural_log
from asclf.registry import FRONTENDS

SMALLEST_ENERGY = 1e-10
"""Energies below it are raised to it before decibels are taken, as in torchaudio."""


@component_config
class MfccConfig(MelOptions):
    """torchaudio's `MFCC`: the orthonormal cosine transform of a logarithmic mel spectrum."""

    num_ceps: Annotated[int, Field(ge=1)] = 40
    """Coefficients to keep, the 0th included."""
    log_mels: bool = False
    """Take ln(x + 1e-6) of the mel energies, not decibels."""
    top_db: PositiveFloat | None = 80.0
    """Raise decibels that are further than this below the clip's maximum; `null` leaves them."""


@FRONTENDS.register("mfcc", MfccConfig)
class MfccFrontend(SpectralFrontend):
    """Cepstral coefficients; `top_db` is taken from each clip's own maximum, not the batch's."""

    kind = "mfcc"
    dct: Tensor

    def __init__(self, config: MfccConfig, *, sample_rate: int) -> None:
        super().__init__(config, sample_rate=sample_rate)
        if config.num_ceps > config.num_mel_bins:
            raise ConfigError(
                f"`num_ceps` is {config.num_ceps}",
                expected=f"at most {config.num_mel_bins} mel bins",
            )
        self.log_mels, self.top_db = config.log_mels, config.top_db
        self.feat_dim = config.num_ceps
        self.spectrum = make_mel_spectrogram(config, sample_rate, self.stft_options)
        dct = create_dct(config.num_ceps, config.num_mel_bins, norm="ortho")  # (F, C)
        self.register_buffer("dct", dct, persistent=False)

    def scale(self, spectrum: Tensor) -> Tensor:
        """(B, T, F) mel energies → (B, T, C) coefficients."""
        mels = natural_log(spectrum) if self.log_mels else self._decibels(spectrum)
        return mels @ self.dct

    def _decibels(self, spectrum: Tensor) -> Tensor:
        clips = spectrum[:, None]  # (B, 1, T, F), or one maximum would serve the whole batch
        decibels: Tensor = amplitude_to_DB(clips, 10.0, SMALLEST_ENERGY, 0.0, self.top_db)
        return decibels[:, 0]
