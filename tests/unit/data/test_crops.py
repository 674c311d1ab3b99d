from __future__ import annotations

from typing import get_args, get_type_hints

import pytest
import torch
from torch import Generator

from asclf.config.experiment import DataConfig
from asclf.data.crops import CROPS, crop_anywhere, crop_sound


def starts(place: str, waveform: torch.Tensor, samples: int, count: int = 200) -> set[int]:
    """Where crops of a waveform of which no two samples are alike begin."""
    generator = Generator().manual_seed(0)
    crops = [CROPS[place](waveform, samples, generator) for _ in range(count)]
    assert {len(piece) for piece in crops} == {samples}
    return {int((waveform == piece[0]).nonzero()[0, 0]) for piece in crops}


@pytest.mark.parametrize("place", CROPS)
def test_a_clip_that_is_no_longer_stays_as_it_is(place: str) -> None:
    waveform, generator = torch.arange(10.0), Generator().manual_seed(0)
    assert torch.equal(CROPS[place](waveform, 10, generator), waveform)
    assert torch.equal(CROPS[place](waveform, 11, generator), waveform)


@pytest.mark.parametrize("place", CROPS)
def test_an_even_sound_is_cropped_anywhere(place: str) -> None:
    assert starts(place, 1 + torch.arange(10.0) / 100, 7) == {0, 1, 2, 3}


@pytest.mark.parametrize("place", CROPS)
def test_silence_can_be_cropped(place: str) -> None:
    assert not CROPS[place](torch.zeros(10), 7, Generator().manual_seed(0)).any()


def test_a_short_sound_is_missed_anywhere_and_not_where_it_sounds() -> None:
    waveform = torch.arange(100.0) / 1e6
    waveform[50:62] += 1
    assert starts("anywhere", waveform, 20, 1000) == set(range(81))
    assert starts("sound", waveform, 20, 1000) == set(range(32, 61))  # two samples of it


def test_a_crop_is_the_stretch_that_begins_where_it_does() -> None:
    waveform, generator = torch.rand(50), Generator().manual_seed(0)
    for crop in (crop_anywhere, crop_sound):
        piece = crop(waveform, 7, generator)
        start = int((waveform == piece[0]).nonzero()[0, 0])
        assert torch.equal(piece, waveform[start : start + 7])


def test_every_place_that_a_configuration_can_name_is_there() -> None:
    assert set(get_args(get_type_hints(DataConfig)["crop_at"])) == set(CROPS)
