"""EfficientAT's mel features for whole batches, on any device."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import torch
from torch import Tensor, nn

from asclf.audio.efficientat_mel import (
    ENERGY_OFFSET,
    LOG_SCALE,
    LOG_SHIFT,
    PREEMPHASIS,
    EfficientatMelOptions,
    frame_shift,
    make_filters,
    make_window,
)
from asclf.config import component_config
from asclf.frontends._lengths import mirror_ends, prepare, zero_padding
from asclf.registry import FRONTENDS


@component_config
class EfficientatMelConfig(EfficientatMelOptions):
    """EfficientAT's log mel energies; the published weights expect the defaults at 32 kHz."""


@FRONTENDS.register("efficientat_mel", EfficientatMelConfig)
class EfficientatMel(nn.Module):
    """Log mel energies on one fixed scale: no mean of a clip is taken off.

    See `asclf.audio.efficientat_mel`, which computes the same on the device. In training the
    published code also moves the band's edges at random; here they stay.

    Args:
        config: Size of frames and filters.
        sample_rate: In Hz.

    Raises:
        ConfigError: The options do not fit the sample rate.
    """

    window: Tensor
    mel_filters: Tensor

    def __init__(self, config: EfficientatMelConfig, *, sample_rate: int) -> None:
        super().__init__()
        self.config = config
        self.sample_rate = sample_rate
        self.feat_dim = config.num_mel_bins
        self.frame_shift = frame_shift(config, sample_rate)
        window, filters = make_window(config, sample_rate), make_filters(config, sample_rate)
        self.register_buffer("window", torch.from_numpy(window), persistent=False)
        self.register_buffer("mel_filters", torch.from_numpy(filters), persistent=False)

    def forward(
        self, waveform: Tensor, lengths: Tensor | None = None
    ) -> tuple[Tensor, Tensor | None]:
        """Computes features; padding frames are zero.

        Args:
            waveform: (B, S) in [−1, 1]; a clip shorter than one FFT is filled up with zeros.
            lengths: (B,) samples of each clip, or `None` where none is padded.

        Returns:
            (B, T, F), and (B,) frames of each clip or `None`.
        """
        n_fft = self.config.n_fft
        waveform, lengths = prepare(waveform, lengths, level="none", shortest=n_fft)
        emphasised = torch.sub(waveform[:, 1:], waveform[:, :-1], alpha=PREEMPHASIS)  # (B, S - 1)
        lengths = None if lengths is None else lengths - 1
        half = n_fft // 2
        mirrored = mirror_ends(emphasised, lengths, left=half, right=half, repeat_edge=False)
        feats = self._log_energies(mirrored)
        num_frames = None if lengths is None else 1 + lengths // self.frame_shift
        return zero_padding(feats, num_frames), num_frames

    def describe(self) -> dict[str, Any]:
        """What `asclf.audio.features.compute_features` needs to do the same on the device."""
        return {"type": "efficientat_mel", "sample_rate": self.sample_rate, **asdict(self.config)}

    def _log_energies(self, mirrored: Tensor) -> Tensor:
        spectrum = torch.stft(
            mirrored,
            self.config.n_fft,
            hop_length=self.frame_shift,
            window=self.window,
            center=False,  # the ends are mirrored already, each clip's at its own end
            return_complex=True,
        )  # (B, n_fft // 2 + 1, T)
        parts = torch.view_as_real(spectrum.transpose(1, 2)).square()  # (B, T, n_fft // 2 + 1, 2)
        energies = (parts[..., 0] + parts[..., 1]) @ self.mel_filters  # (B, T, F)
        return energies.add_(ENERGY_OFFSET).log_().add_(LOG_SHIFT).div_(LOG_SCALE)
