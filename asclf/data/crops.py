"""Training crops: stretches of a clip at a random place."""

from __future__ import annotations

import torch
from torch import Generator, Tensor
from torch.nn.functional import pad

LEAST_ENERGY = 0.1
"""Of a place that sounds, as a share of the energy at the loudest one: 10 dB below it."""


def crop_anywhere(waveform: Tensor, samples: int, generator: Generator) -> Tensor:
    """Cuts a stretch of (S,) at a random place; a waveform that is not longer stays as it is."""
    spare = len(waveform) - samples
    if spare <= 0:
        return waveform
    start = int(torch.randint(spare + 1, (), generator=generator))
    return waveform[start : start + samples]  # (samples,)


def crop_sound(waveform: Tensor, samples: int, generator: Generator) -> Tensor:
    """As `crop_anywhere`, at one of the places whose energy is near that of the loudest.

    A bark of half a second in a clip of five is missing from most crops, which then have its label
    and nothing of it; many clips of ESC-50 are short sounds filled up with zeros.
    """
    spare = len(waveform) - samples
    if spare <= 0:
        return waveform
    until = pad(waveform.double().square().cumsum(0), (1, 0))  # (S + 1,) energy before a sample
    energy = until[samples:] - until[:-samples]  # (spare + 1,) of each place
    places = (energy >= LEAST_ENERGY * energy.max()).nonzero()[:, 0]
    start = int(places[torch.randint(len(places), (), generator=generator)])
    return waveform[start : start + samples]  # (samples,)


CROPS = {"anywhere": crop_anywhere, "sound": crop_sound}
"""By the word of `data.crop_at`."""
