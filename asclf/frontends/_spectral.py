"""What torchaudio's front ends share: frames of an STFT, level, lengths, and the mean.

torchaudio pads the batch, not the clip, and its MFCC takes the largest value of the whole batch for
its floor; both make a clip's features depend on its batch mates. Here clips are mirrored at their
own ends, as `center=True` does for a clip alone, and padding frames are zero before and after
scaling.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

import torch
from pydantic import Field, PositiveFloat
from torch import Tensor, nn

from asclf.audio.level import Level
from asclf.config import component_config
from asclf.errors import ConfigError
from asclf.frontends._lengths import mirror_ends, prepare, subtract_mean, zero_padding

LOG_OFFSET = 1e-6
"""Added before a natural logarithm, as torchaudio's MFCC does with `log_mels`."""


@component_config
class StftOptions:
    """How a clip becomes frames, and what is done to its features at the end."""

    frame_length_ms: PositiveFloat = 25.0
    """Length of the Hann window."""
    frame_shift_ms: PositiveFloat = 10.0
    """Distance between the middles of two frames."""
    n_fft: Annotated[int, Field(ge=2)] | None = None
    """Points of the FFT; `null` takes the frame length rounded up to a power of two."""
    power: PositiveFloat = 2.0
    """Exponent of the magnitudes: 2 for energies, 1 for magnitudes."""
    level: Level = "none"
    """Gain that the clip gets first."""
    mean_norm: bool = True
    """Take its mean over the clip off each bin."""


class SpectralFrontend(nn.Module):
    """A front end around one of torchaudio's spectra; subclasses say which.

    Attributes:
        kind: The name it is registered by.
        feat_dim: Width of the features.
        spectrum: Waveforms (B, S), already extended by half an FFT at both ends, to (B, F, T).
        stft_options: The STFT in torchaudio's words.
    """

    kind: str
    feat_dim: int
    spectrum: nn.Module

    def __init__(self, config: StftOptions, *, sample_rate: int) -> None:
        super().__init__()
        self.config = config
        self.sample_rate = sample_rate
        self.frame_length = round(config.frame_length_ms * sample_rate / 1000)
        self.frame_shift = round(config.frame_shift_ms * sample_rate / 1000)
        self.n_fft = config.n_fft or 1 << (self.frame_length - 1).bit_length()
        if not 1 <= self.frame_shift <= self.frame_length <= self.n_fft:
            raise ConfigError(
                f"frames of {self.frame_length} samples every {self.frame_shift} do not fit an FFT "
                f"of {self.n_fft} points",
                expected="frame_shift_ms ≤ frame_length_ms ≤ n_fft",
            )
        self.stft_options: dict[str, Any] = {
            "n_fft": self.n_fft,
            "win_length": self.frame_length,
            "hop_length": self.frame_shift,
            "power": config.power,
            "center": False,  # the ends are mirrored here
        }

    def scale(self, spectrum: Tensor) -> Tensor:
        """(B, T, F), padding frames zero → (B, T, F')."""
        raise NotImplementedError

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
        waveform, lengths = prepare(waveform, lengths, level=self.config.level, shortest=self.n_fft)
        num_frames = None if lengths is None else self._num_frames(lengths)
        half = self.n_fft // 2
        waveform = mirror_ends(waveform, lengths, left=half, right=half, repeat_edge=False)
        spectrum = self.spectrum(waveform).transpose(1, 2)  # (B, T, F)
        feats = zero_padding(self.scale(zero_padding(spectrum, num_frames)), num_frames)
        if self.config.mean_norm:
            feats = zero_padding(subtract_mean(feats, num_frames), num_frames)
        return feats, num_frames

    def describe(self) -> dict[str, Any]:
        """Type, sample rate and options, as plain values."""
        return {"type": self.kind, "sample_rate": self.sample_rate, **asdict(self.config)}

    def _num_frames(self, samples: Tensor) -> Tensor:
        return 1 + (samples - self.n_fft % 2) // self.frame_shift


def natural_log(spectrum: Tensor) -> Tensor:
    """ln(x + 1e-6)."""
    return torch.log(spectrum + LOG_OFFSET)
