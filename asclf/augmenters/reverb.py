"""Reverberation, by recorded or simulated impulse responses."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import torch
from pydantic import AfterValidator, PositiveFloat
from torch import Generator, Tensor
from torch.linalg import vector_norm

from asclf.augmenters._draw import Probability, Range, happens, in_order, uniform
from asclf.augmenters._recordings import Recordings
from asclf.config import component_config
from asclf.errors import DataError
from asclf.registry import AUGMENTERS

SILENCE = 1e-9  # a clip or tail whose norm is below it is not made louder


@component_config
class ReverbConfig:
    """Options of `reverb`."""

    folder: str | None = None
    """Folder of recorded impulse responses, or of shards of them; `null` simulates them."""
    prob: Probability = 0.5
    """Probability that a clip is changed."""
    rt60_s: Annotated[tuple[PositiveFloat, PositiveFloat], AfterValidator(in_order)] = (0.1, 0.8)
    """Bounds of the time in which a simulated room's sound falls by 60 dB."""
    direct_db: Range = (0.0, 15.0)
    """Bounds of the energy of a simulated room's direct sound over that of its reverberation."""


@AUGMENTERS.register("reverb", ReverbConfig)
class Reverb:
    """Convolves a clip with an impulse response; its length, power and place in time stay.

    A recorded response begins at its largest sample, the direct sound. A simulated one is the
    direct sound and white noise that decays exponentially, which is Polack's model of a room after
    its first reflections (Polack, "La transmission de l'énergie sonore dans les salles", 1988).
    """

    def __init__(self, config: ReverbConfig, *, sample_rate: int) -> None:
        self.config = config
        self.sample_rate = sample_rate
        self.responses = (
            None
            if config.folder is None
            else Recordings(Path(config.folder), sample_rate=sample_rate)
        )

    def augment_clip(self, waveform: Tensor, generator: Generator) -> Tensor:
        """(S,) → (S,)."""
        if not happens(self.config.prob, generator):
            return waveform
        if self.responses is None:
            response = self._simulate(generator)
        else:
            response = _from_direct_sound(*self.responses.draw(generator))
        wet = _convolve(waveform, response)
        gain: Tensor = vector_norm(waveform) / vector_norm(wet).clamp(min=SILENCE)
        return wet * gain

    def _simulate(self, generator: Generator) -> Tensor:
        """(R,) impulse response, until it has fallen by 60 dB."""
        rt60_s = uniform(self.config.rt60_s, generator)
        direct_db = uniform(self.config.direct_db, generator)
        time_s = torch.arange(1, max(1, round(rt60_s * self.sample_rate))) / self.sample_rate
        tail = torch.randn(len(time_s), generator=generator) * 10 ** (-3 * time_s / rt60_s)
        tail *= 10 ** (-direct_db / 20) / vector_norm(tail).clamp(min=SILENCE)
        return torch.cat([torch.ones(1), tail])


def _convolve(waveform: Tensor, response: Tensor) -> Tensor:
    """(S,), (R,) → (S,), without what would sound after the end."""
    samples = len(waveform)
    response = response[:samples]
    # not torchaudio's fftconvolve: without a power of two it takes about three times as long
    points = 1 << (samples + len(response) - 2).bit_length()
    spectrum = torch.fft.rfft(waveform, points) * torch.fft.rfft(response, points)
    full: Tensor = torch.fft.irfft(spectrum, points)
    return full[:samples]


def _from_direct_sound(response: Tensor, name: str) -> Tensor:
    loudness = response.abs()
    if not loudness.any():
        raise DataError("this impulse response is digital silence", where=name)
    return response[loudness.argmax() :]
