from __future__ import annotations

import numpy as np
import pytest

from asclf.audio.resample import resample

NOISE = np.random.default_rng(0).standard_normal(4410).astype(np.float32)


def test_equal_rates_change_nothing():
    assert resample(NOISE, 44_100, 44_100) is NOISE


@pytest.mark.parametrize(("to_hz", "size"), [(8000, 800), (16_000, 1600), (192_000, 19_200)])
def test_duration_is_kept(to_hz, size):
    converted = resample(NOISE, 44_100, to_hz)
    assert converted.shape == (size,)
    assert converted.dtype == np.float32


def test_there_is_no_delay():
    click = np.zeros(4410, np.float32)
    click[2205] = 1.0
    assert np.abs(resample(click, 44_100, 16_000)).argmax() == 800


def test_what_cannot_be_kept_is_removed_not_folded():
    tone = np.sin(2 * np.pi * 10_000 * np.arange(44_100) / 44_100).astype(np.float32)
    assert np.abs(resample(tone, 44_100, 16_000)[500:-500]).max() < 1e-3
