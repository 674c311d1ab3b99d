"""torchaudio's mel spectrogram, as natural logarithms unless asked otherwise."""

from __future__ import annotations

from torch import Tensor

from asclf.config import component_config
from asclf.frontends._mel import MelOptions, make_mel_spectrogram
from asclf.frontends._spectral import SpectralFrontend, natural_log
from asclf.registry import FRONTENDS


@component_config
class MelSpectrogramConfig(MelOptions):
    """torchaudio's `MelSpectrogram`, and the logarithm that classifiers take it in."""

    log: bool = True
    """ln(x + 1e-6) of the mel energies; torchaudio itself leaves them linear."""


@FRONTENDS.register("mel_spectrogram", MelSpectrogramConfig)
class MelSpectrogramFrontend(SpectralFrontend):
    """Mel energies without Kaldi's pre-emphasis, DC removal and Povey window."""

    kind = "mel_spectrogram"

    def __init__(self, config: MelSpectrogramConfig, *, sample_rate: int) -> None:
        super().__init__(config, sample_rate=sample_rate)
        self.log = config.log
        self.feat_dim = config.num_mel_bins
        self.spectrum = make_mel_spectrogram(config, sample_rate, self.stft_options)

    def scale(self, spectrum: Tensor) -> Tensor:
        """(B, T, F) energies → (B, T, F)."""
        return natural_log(spectrum) if self.log else spectrum
