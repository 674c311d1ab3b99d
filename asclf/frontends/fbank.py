"""Kaldi's fbank for whole batches, on any device; agrees with kaldi-native-fbank.

Povey et al., The Kaldi speech recognition toolkit, ASRU 2011; `feature-window.cc` and
`mel-computations.cc` of Kaldi.

Precision: as in Kaldi all is float32, the edges of the filters included, since a tone at the foot
of a filter would otherwise differ visibly in its logarithm. The one exception is the FFT where
there is no `floor_db`: bins 70 dB and more below the loudest of their frame then reach the
features, float32's rounding shows in them, and float64 leaves that of the reference alone.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, Literal, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import pad

from asclf.audio.features import FbankOptions, Window, fbank, frame_samples
from asclf.audio.mel import mel_filters
from asclf.config import component_config
from asclf.frontends._lengths import (
    mirror_ends,
    prepare,
    subtract_mean,
    zero_padding,
)
from asclf.masks import length_keep_mask
from asclf.registry import FRONTENDS

Samples = TypeVar("Samples", int, Tensor)

FRAMES_AT_ONCE = 512
"""Frames whose spectra stay in a core's cache together."""


@component_config
class FbankConfig(FbankOptions):
    """Kaldi's log mel filter-bank energies, and which implementation computes them."""

    implementation: Literal["torch", "kaldi"] = "torch"
    """`torch` for batches on any device, `kaldi` for kaldi-native-fbank, clip by clip."""


@FRONTENDS.register("fbank", FbankConfig)
class Fbank(nn.Module):
    """Log mel filter-bank energies of a batch of clips.

    Args:
        config: The options, as the device has them, and the implementation.
        sample_rate: In Hz.

    Raises:
        ConfigError: The options do not fit the sample rate.
    """

    window: Tensor
    mel_filters: Tensor

    def __init__(self, config: FbankConfig, *, sample_rate: int) -> None:
        super().__init__()
        self.config = config
        self.sample_rate = sample_rate
        self.feat_dim = config.num_mel_bins
        self.frame_length, self.frame_shift = frame_samples(config, sample_rate)
        self.fft_size = 1 << (self.frame_length - 1).bit_length()
        self.fft_dtype = torch.float64 if config.floor_db is None else torch.float32
        window = make_window(config.window, self.frame_length)
        filters = mel_filters(
            config.num_mel_bins,
            config.low_freq_hz,
            config.high_freq_hz,
            sample_rate=sample_rate,
            fft_size=self.fft_size,
        )
        self.register_buffer("window", torch.from_numpy(window), persistent=False)
        self.register_buffer("mel_filters", torch.from_numpy(filters), persistent=False)

    def forward(
        self, waveform: Tensor, lengths: Tensor | None = None
    ) -> tuple[Tensor, Tensor | None]:
        """Computes features; padding frames are zero.

        Args:
            waveform: (B, S) in [−1, 1].
            lengths: (B,) samples of each clip, or `None` where none is padded.

        Returns:
            (B, T, F), and (B,) frames of each clip or `None`.
        """
        if self.config.implementation == "kaldi":
            return self._clip_by_clip(waveform, lengths)
        waveform, lengths = prepare(
            waveform, lengths, level=self.config.level, shortest=self.frame_length
        )
        num_frames = None if lengths is None else self._num_frames(lengths)
        frames = self._frames(waveform, lengths)
        return self._finish(self._log_energies(frames), num_frames), num_frames

    def describe(self) -> dict[str, Any]:
        """What `asclf.audio.features.compute_features` needs to do the same on the device."""
        options = asdict(self.config)
        del options["implementation"]
        return {"type": "fbank", "sample_rate": self.sample_rate, **options}

    def _num_frames(self, samples: Samples) -> Samples:
        """Frames in so many samples; takes an int or a tensor, and at least one frame of them."""
        if self.config.snip_edges:
            return 1 + (samples - self.frame_length) // self.frame_shift
        return (samples + self.frame_shift // 2) // self.frame_shift

    def _frames(self, waveform: Tensor, lengths: Tensor | None) -> Tensor:
        num_frames = self._num_frames(waveform.shape[1])
        if not self.config.snip_edges:  # the middle of frame 0 is half a shift into the clip
            half = self.frame_length // 2
            left, right = half - self.frame_shift // 2, self.frame_length - half
            waveform = mirror_ends(waveform, lengths, left=left, right=right, repeat_edge=True)
        return waveform.unfold(1, self.frame_length, self.frame_shift)[:, :num_frames]  # (B, T, L)

    def _log_energies(self, frames: Tensor) -> Tensor:
        at_once = frames.shape[1]
        if frames.device.type == "cpu":
            at_once = max(1, FRAMES_AT_ONCE // len(frames))
        return torch.cat(
            [self._log_energies_of(part) for part in torch.split(frames, at_once, dim=1)], 1
        )

    def _log_energies_of(self, frames: Tensor) -> Tensor:
        if self.config.remove_dc_offset:
            frames = frames - frames.mean(dim=-1, keepdim=True)
        frames = self._preemphasise(frames) * self.window
        spectrum = torch.fft.rfft(frames.to(self.fft_dtype), n=self.fft_size)
        parts = torch.view_as_real(spectrum).float().square()  # (B, T, fft_size // 2 + 1, 2)
        energies = (parts[..., 0] + parts[..., 1]) @ self.mel_filters  # (B, T, F)
        return energies.clamp_min_(torch.finfo(torch.float32).eps).log_()

    def _preemphasise(self, frames: Tensor) -> Tensor:
        """Kaldi lets the first sample of a frame be its own predecessor."""
        share = self.config.preemphasis
        if not share:
            return frames
        first = frames[..., :1] * (1 - share)
        rest = torch.sub(frames[..., 1:], frames[..., :-1], alpha=share)
        return torch.cat([first, rest], dim=-1)  # (B, T, L)

    def _finish(self, feats: Tensor, num_frames: Tensor | None) -> Tensor:
        floor = self.config.floor_nats
        if floor is not None:
            feats = torch.maximum(feats, _peak(feats, num_frames) - floor)
        if self.config.mean_norm:
            feats = subtract_mean(zero_padding(feats, num_frames), num_frames)
        return zero_padding(feats, num_frames)

    def _clip_by_clip(
        self, waveform: Tensor, lengths: Tensor | None
    ) -> tuple[Tensor, Tensor | None]:
        clips = waveform.detach().cpu().numpy()
        samples = [waveform.shape[1]] * len(clips) if lengths is None else lengths.tolist()
        feats = [
            torch.from_numpy(fbank(clip[:size], self.sample_rate, self.config))
            for clip, size in zip(clips, samples, strict=True)
        ]
        longest = self._num_frames(max(waveform.shape[1], self.frame_length))
        batch = torch.stack([pad(clip, (0, 0, 0, longest - len(clip))) for clip in feats])
        num_frames = None
        if lengths is not None:
            num_frames = self._num_frames(lengths.clamp_min(self.frame_length))
        return batch.to(waveform.device), num_frames


def make_window(name: Window, length: int) -> NDArray[np.float32]:
    """Kaldi's windows (L,): symmetric, and `povey` a Hann window to the power 0.85."""
    cosine = np.cos(2 * np.pi * np.arange(length) / (length - 1))
    window = {
        "povey": (0.5 - 0.5 * cosine) ** 0.85,
        "hanning": 0.5 - 0.5 * cosine,
        "hamming": 0.54 - 0.46 * cosine,
        "blackman": 0.42 - 0.5 * cosine + 0.08 * (2 * cosine**2 - 1),
        "rectangular": np.ones(length),
    }[name]
    return window.astype(np.float32)


def _peak(feats: Tensor, num_frames: Tensor | None) -> Tensor:
    """The largest value of each clip, (B, 1, 1)."""
    if num_frames is not None:
        padding = ~length_keep_mask(num_frames, feats.shape[1])[..., None]
        feats = feats.masked_fill(padding, -torch.inf)
    return feats.amax(dim=(1, 2), keepdim=True)
