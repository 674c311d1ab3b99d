"""torchaudio's spectrogram, as natural logarithms unless asked otherwise."""

from __future__ import annotations

from torch import Tensor
from torchaudio.transforms import Spectrogram

from asclf.config import component_config
from asclf.frontends._spectral import SpectralFrontend, StftOptions, natural_log
from asclf.registry import FRONTENDS


@component_config
class SpectrogramConfig(StftOptions):
    """torchaudio's `Spectrogram`, and the logarithm that classifiers take it in."""

    log: bool = True
    """ln(x + 1e-6) of the energies; torchaudio itself leaves them linear."""


@FRONTENDS.register("spectrogram", SpectrogramConfig)
class SpectrogramFrontend(SpectralFrontend):
    """Energies of an STFT, one bin for each of its frequencies."""

    kind = "spectrogram"

    def __init__(self, config: SpectrogramConfig, *, sample_rate: int) -> None:
        super().__init__(config, sample_rate=sample_rate)
        self.log = config.log
        self.feat_dim = self.n_fft // 2 + 1
        self.spectrum = Spectrogram(**self.stft_options)

    def scale(self, spectrum: Tensor) -> Tensor:
        """(B, T, F) energies → (B, T, F)."""
        return natural_log(spectrum) if self.log else spectrum
