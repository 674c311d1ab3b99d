from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from asclf.audio.features import compute_features
from asclf.audio.io import load_audio
from asclf.errors import ConfigError
from asclf.registry import FRONTENDS

ENTRY = FRONTENDS.get("efficientat_mel")
SAMPLE_RATE = 32_000
TOLERANCE = 1e-3


def both(
    clip: NDArray[np.float32], sample_rate: int = SAMPLE_RATE, **options: object
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Features by training's front end, and by what the device runs from its description."""
    frontend = ENTRY.build(ENTRY.configure(**options), sample_rate=sample_rate)
    feats, _ = frontend(torch.from_numpy(clip)[None])
    return feats[0].numpy(), compute_features(clip, frontend.describe())


def noise(samples: int, scale: float = 0.1) -> NDArray[np.float32]:
    return (scale * np.random.default_rng(0).standard_normal(samples)).astype(np.float32)


@pytest.mark.parametrize("samples", [1, 500, 1023, 1024, 1025, 12_345, 64_000])
@pytest.mark.parametrize("scale", [0.0, 1e-4, 0.1, 1.0])
def test_device_and_training_agree_on_noise_and_silence(samples: int, scale: float) -> None:
    training, device = both(noise(samples, scale))
    assert training.dtype == device.dtype == np.float32
    np.testing.assert_allclose(device, training, rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize(
    ("sample_rate", "options"),
    [
        (16_000, {}),
        (44_100, {"n_fft": 2048}),
        (SAMPLE_RATE, {"num_mel_bins": 64, "frame_shift_ms": 15.0}),
        (SAMPLE_RATE, {"num_mel_bins": 40, "low_freq_hz": 50.0, "high_freq_hz": 8000.0}),
    ],
)
def test_device_and_training_agree_on_options(sample_rate: int, options: dict[str, object]) -> None:
    training, device = both(noise(20_000), sample_rate, **options)
    np.testing.assert_allclose(device, training, rtol=0, atol=TOLERANCE)


def test_device_and_training_agree_on_real_clips(real_data: Path) -> None:
    paths = sorted((real_data / "ESC-50" / "audio").glob("*.ogg"))[::160]
    assert len(paths) == 10
    for path in paths:
        training, device = both(load_audio(path, SAMPLE_RATE))
        assert training.shape == (500, 128)
        np.testing.assert_allclose(device, training, rtol=0, atol=TOLERANCE, err_msg=path.name)


def test_silence_is_the_scaled_logarithm_of_the_offset() -> None:
    training, _ = both(np.zeros(4000, np.float32))
    np.testing.assert_allclose(training, (np.log(1e-5) + 4.5) / 5, rtol=1e-6)


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"n_fft": 512}, "800 samples do not fit"),
        ({"frame_shift_ms": 0.001}, "do not move"),
        ({"num_mel_bins": 500}, "500 mel bins leave filters empty"),
        ({"high_freq_hz": 20_000.0}, "is not a band"),
    ],
)
def test_options_that_do_not_fit_are_refused(options: dict[str, object], named: str) -> None:
    with pytest.raises(ConfigError, match=named):
        ENTRY.build(ENTRY.configure(**options), sample_rate=SAMPLE_RATE)
