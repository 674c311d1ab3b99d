from __future__ import annotations

import numpy as np
import pytest

from asclf.audio.level import normalise_level

NOISE = np.random.default_rng(0).standard_normal(16_000).astype(np.float32)


def rms_db(waveform: np.ndarray) -> float:
    return 20 * np.log10(np.sqrt(np.mean(np.square(waveform, dtype=np.float64))))


@pytest.mark.parametrize("gain", [1e-4, 0.01, 0.1, 1.0])
def test_rms_20_brings_any_level_to_minus_20_db(gain):
    levelled = normalise_level(NOISE * np.float32(gain), "rms_-20")
    assert levelled.dtype == np.float32
    assert rms_db(levelled) == pytest.approx(-20, abs=1e-3)


def test_none_changes_nothing():
    assert normalise_level(NOISE, "none") is NOISE


@pytest.mark.parametrize("size", [0, 100])
def test_silence_gets_no_gain(size):
    silence = np.full(size, 5e-6, np.float32)
    np.testing.assert_array_equal(normalise_level(silence, "rms_-20"), silence)


def test_peaks_are_not_clipped():
    click = np.zeros(1000, np.float32)
    click[500] = 0.5
    assert normalise_level(click, "rms_-20").max() > 3
