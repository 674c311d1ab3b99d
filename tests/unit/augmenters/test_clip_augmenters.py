from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from asclf.registry import AUGMENTERS

SAMPLE_RATE = 16_000


def augment(name: str, waveform: Tensor, seed: int = 0, **options: Any) -> Tensor:
    entry = AUGMENTERS.get(name)
    augmenter = entry.build(entry.configure(**options), sample_rate=SAMPLE_RATE)
    return augmenter.augment_clip(waveform, torch.Generator().manual_seed(seed))


def tone(hz: float, seconds: float, amplitude: float = 0.5) -> Tensor:
    time = torch.arange(round(SAMPLE_RATE * seconds)) / SAMPLE_RATE
    return amplitude * torch.sin(2 * torch.pi * hz * time)


@pytest.mark.parametrize("name", ["gaussian_noise", "gain", "time_shift", "speed"])
def test_probability_0_leaves_a_clip_as_it_is(name: str) -> None:
    waveform = tone(440, 0.1)
    for seed in range(10):
        assert torch.equal(augment(name, waveform, seed, prob=0.0), waveform)


@pytest.mark.parametrize("snr_db", [0.0, 10.0, 30.0])
def test_gaussian_noise_has_the_asked_ratio(snr_db: float) -> None:
    waveform = tone(440, 2.0)
    noise = augment("gaussian_noise", waveform, prob=1.0, snr_db=(snr_db, snr_db)) - waveform
    ratio = waveform.square().mean() / noise.square().mean()
    assert 10 * ratio.log10().item() == pytest.approx(snr_db, abs=0.2)


def test_gaussian_noise_leaves_digital_silence_silent() -> None:
    silence = torch.zeros(1000)
    assert torch.equal(augment("gaussian_noise", silence, prob=1.0), silence)


@pytest.mark.parametrize("gain_db", [-12.0, 3.0])
def test_gain_scales_by_decibels(gain_db: float) -> None:
    waveform = tone(440, 0.1)
    changed = augment("gain", waveform, prob=1.0, gain_db=(gain_db, gain_db))
    torch.testing.assert_close(changed, waveform * 10 ** (gain_db / 20))


def test_gain_stops_at_full_scale_without_clipping() -> None:
    waveform = tone(440, 0.1, amplitude=0.8)
    changed = augment("gain", waveform, prob=1.0, gain_db=(20.0, 20.0))
    torch.testing.assert_close(changed, waveform / waveform.abs().max())


def test_gain_does_not_boost_what_is_past_full_scale_already() -> None:
    waveform = tone(440, 0.1, amplitude=1.5)
    assert torch.equal(augment("gain", waveform, prob=1.0, gain_db=(6.0, 6.0)), waveform)


def test_roll_keeps_every_sample() -> None:
    waveform = torch.arange(100.0)
    results = [augment("time_shift", waveform, seed, max_shift_s=1.0) for seed in range(20)]
    assert all(torch.equal(result.sort().values, waveform) for result in results)
    assert len({result[0].item() for result in results}) > 10


def test_shift_fills_with_zeros_and_goes_both_ways() -> None:
    waveform = torch.arange(1.0, 101.0)
    moved = set()
    for seed in range(30):
        changed = augment("time_shift", waveform, seed, max_shift_s=10 / SAMPLE_RATE, mode="shift")
        kept = changed[changed > 0]
        by = int((changed.nonzero()[0] + 1 - kept[0]).item())
        assert abs(by) <= 10
        assert torch.equal(kept, waveform[max(-by, 0) : 100 - max(by, 0)])
        assert len(changed) == 100
        moved.add(by)
    assert min(moved) < 0 < max(moved)


def test_roll_by_name_goes_an_eighth_of_a_second_to_either_side() -> None:
    waveform = torch.arange(float(SAMPLE_RATE))
    starts = torch.stack([augment("roll", waveform, seed)[0] for seed in range(60)])
    shifts = torch.where(starts > SAMPLE_RATE / 2, SAMPLE_RATE - starts, -starts)
    assert shifts.abs().max() <= SAMPLE_RATE / 8
    assert shifts.min() < -SAMPLE_RATE / 16 < SAMPLE_RATE / 16 < shifts.max()


@pytest.mark.parametrize("mode", ["roll", "shift"])
def test_a_shift_longer_than_the_clip_is_cut_to_it(mode: str) -> None:
    for seed in range(20):
        assert augment("time_shift", torch.ones(7), seed, max_shift_s=1.0, mode=mode).shape == (7,)


@pytest.mark.parametrize("factor", [0.8, 1.25])
def test_speed_changes_length_and_pitch(factor: float) -> None:
    changed = augment("speed", tone(1000, 1.0), factors=(factor,))
    assert len(changed) == pytest.approx(SAMPLE_RATE / factor, abs=2)
    loudest_hz = torch.fft.rfft(changed).abs().argmax().item() * SAMPLE_RATE / len(changed)
    assert loudest_hz == pytest.approx(1000 * factor, abs=2)


def test_speed_1_is_identity_and_every_factor_is_drawn() -> None:
    waveform = tone(300, 0.2)
    assert torch.equal(augment("speed", waveform, factors=(1.0,)), waveform)
    lengths = {len(augment("speed", waveform, seed)) for seed in range(30)}
    assert len(lengths) == 3


@pytest.mark.parametrize("size", [1, 2, 3])
def test_speed_leaves_at_least_one_sample(size: int) -> None:
    assert len(augment("speed", torch.ones(size), factors=(4.0,))) >= 1
