from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
from torch import Tensor

from asclf.audio.io import load_audio
from asclf.errors import DataError
from asclf.registry import AUGMENTERS

RATE = 16_000


def reverberate(waveform: Tensor, seed: int = 0, **options: Any) -> Tensor:
    entry = AUGMENTERS.get("reverb")
    augmenter = entry.build(entry.configure(prob=1.0, **options), sample_rate=RATE)
    changed = augmenter.augment_clip(waveform, torch.Generator().manual_seed(seed))
    assert isinstance(changed, Tensor)
    return changed


def click(samples: int, at: int = 0) -> Tensor:
    return torch.nn.functional.one_hot(torch.tensor(at), samples).float()


def decay_db_per_s(response: Tensor) -> float:
    """The slope of Schroeder's backward integral, from 5 to 25 dB below its start."""
    left = response.square().flip(0).cumsum(0).flip(0)
    level_db = 10 * (left / left[0]).log10()
    inside = ((level_db < -5) & (level_db > -25)).nonzero().flatten()
    first, last = inside[0], inside[-1]
    return ((level_db[last] - level_db[first]) / (last - first) * RATE).item()


@pytest.mark.parametrize("rt60_s", [0.2, 0.5, 1.0])
def test_a_simulated_room_falls_by_60_db_in_its_time(rt60_s: float) -> None:
    options = {"rt60_s": (rt60_s, rt60_s), "direct_db": (-20.0, -20.0)}
    slopes = [decay_db_per_s(reverberate(click(2 * RATE), seed, **options)) for seed in range(5)]
    assert -60 / float(np.mean(slopes)) == pytest.approx(rt60_s, rel=0.1)


@pytest.mark.parametrize("direct_db", [-5.0, 0.0, 12.0])
def test_the_direct_sound_stands_out_by_as_much_as_asked(direct_db: float) -> None:
    response = reverberate(click(RATE), rt60_s=(0.3, 0.3), direct_db=(direct_db, direct_db))
    ratio = response[0].square() / response[1:].square().sum()
    assert 10 * ratio.log10().item() == pytest.approx(direct_db, abs=0.01)


@pytest.mark.parametrize("samples", [1, 2, 100, 20_000])
def test_length_and_power_stay_for_clips_shorter_and_longer_than_the_room(samples: int) -> None:
    waveform = 0.1 * torch.randn(samples)
    changed = reverberate(waveform, rt60_s=(0.5, 0.5))
    assert changed.shape == waveform.shape
    torch.testing.assert_close(changed.square().sum(), waveform.square().sum())


def test_nothing_sounds_before_its_cause() -> None:
    changed = reverberate(click(4000, at=1500))
    assert changed[:1500].abs().max() < 1e-5
    assert changed.abs().argmax() == 1500


def test_reverb_leaves_digital_silence_silent() -> None:
    assert torch.equal(reverberate(torch.zeros(1000)), torch.zeros(1000))


def test_the_shortest_simulated_room_changes_nothing() -> None:
    waveform = 0.1 * torch.randn(500)
    torch.testing.assert_close(reverberate(waveform, rt60_s=(1e-6, 1e-6)), waveform)


def test_probability_0_of_reverb_leaves_a_clip_as_it_is() -> None:
    entry, waveform = AUGMENTERS.get("reverb"), torch.randn(50)
    augmenter = entry.build(entry.configure(prob=0.0), sample_rate=RATE)
    for seed in range(10):
        changed = augmenter.augment_clip(waveform, torch.Generator().manual_seed(seed))
        assert torch.equal(changed, waveform)


@pytest.mark.parametrize("samples", [3, 50, 2000])
def test_a_recorded_response_acts_from_its_direct_sound_on(tmp_path: Path, samples: int) -> None:
    response = np.zeros(600)
    response[[40, 47, 200, 599]] = 0.8, -0.4, 0.2, 0.1
    soundfile.write(tmp_path / "room.wav", response, RATE, subtype="FLOAT")
    waveform = 0.1 * torch.randn(samples)
    wet = np.convolve(waveform.numpy(), response[40:])[:samples]
    expected = wet * waveform.norm().item() / np.linalg.norm(wet)
    changed = reverberate(waveform, folder=str(tmp_path))
    torch.testing.assert_close(changed.double(), torch.from_numpy(expected), atol=1e-6, rtol=1e-4)


def test_a_silent_response_is_named(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "room.wav", np.zeros(100), RATE)
    with pytest.raises(DataError, match=r"room\.wav: this impulse response is digital silence"):
        reverberate(torch.ones(10), folder=str(tmp_path))


def test_a_folder_without_responses_is_an_error_of_one_line(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"^\S+: there is no audio file in this folder; .*$"):
        reverberate(torch.ones(10), folder=str(tmp_path))


def test_a_real_word_rings_on_after_its_end(real_data: Path) -> None:
    path = min((real_data / "speech_commands_v2_subset" / "yes").glob("*.wav"))
    waveform = torch.from_numpy(load_audio(path, RATE))
    changed = reverberate(waveform, rt60_s=(0.8, 0.8), direct_db=(-5.0, -5.0))
    assert changed.isfinite().all()
    torch.testing.assert_close(changed.square().sum(), waveform.square().sum())
    powers = [sound.unfold(0, 800, 800).square().mean(1) for sound in (waveform, changed)]
    loudest = int(powers[0].argmax())
    quietest = loudest + int(powers[0][loudest:].argmin())
    assert powers[1][quietest] > 10 * powers[0][quietest]
