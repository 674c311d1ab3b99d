from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
from torch import Tensor

from asclf.audio.io import load_audio
from asclf.errors import ConfigError
from asclf.registry import AUGMENTERS

RATE = 16_000


def add_noise(folder: Path, waveform: Tensor, seed: int = 0, **options: Any) -> Tensor:
    entry = AUGMENTERS.get("background_noise")
    augmenter = entry.build(entry.configure(folder=str(folder), **options), sample_rate=RATE)
    changed = augmenter.augment_clip(waveform, torch.Generator().manual_seed(seed))
    assert isinstance(changed, Tensor)
    return changed


def ratio_db(waveform: Tensor, changed: Tensor) -> float:
    noise = changed - waveform
    return 10 * (waveform.square().sum() / noise.square().sum()).log10().item()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with half a second of noise."""
    noise = 0.3 * np.random.default_rng(0).standard_normal(RATE // 2).clip(-3, 3)
    soundfile.write(tmp_path / "noise.wav", noise, RATE)
    return tmp_path


@pytest.mark.parametrize("snr_db", [-5.0, 0.0, 20.0])
@pytest.mark.parametrize("samples", [1, 1000, RATE // 2, 3 * RATE])
def test_background_noise_has_the_asked_ratio(folder: Path, snr_db: float, samples: int) -> None:
    waveform = 0.1 * torch.randn(samples)
    changed = add_noise(folder, waveform, prob=1.0, snr_db=(snr_db, snr_db))
    assert changed.shape == waveform.shape
    assert ratio_db(waveform, changed) == pytest.approx(snr_db, abs=0.05)


def test_ratios_are_drawn_between_their_bounds(folder: Path) -> None:
    waveform = 0.1 * torch.randn(2000)
    ratios = [
        ratio_db(waveform, add_noise(folder, waveform, seed, prob=1.0, snr_db=(5.0, 15.0)))
        for seed in range(40)
    ]
    assert 4.9 < min(ratios) < 6.5
    assert 13.5 < max(ratios) < 15.1


def test_background_noise_leaves_digital_silence_silent(folder: Path) -> None:
    silence = torch.zeros(1000)
    assert torch.equal(add_noise(folder, silence, prob=1.0), silence)


def test_silent_noise_changes_nothing(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "silence.wav", np.zeros(4000), RATE)
    waveform = 0.1 * torch.randn(1000)
    assert torch.equal(add_noise(tmp_path, waveform, prob=1.0), waveform)


def test_probability_of_background_noise(folder: Path) -> None:
    waveform = torch.ones(10)
    changed = [
        not torch.equal(add_noise(folder, waveform, seed, prob=0.3), waveform)
        for seed in range(200)
    ]
    assert sum(changed) / 200 == pytest.approx(0.3, abs=0.1)


def test_background_noise_without_a_folder_is_refused_before_training() -> None:
    with pytest.raises(ConfigError, match="`background_noise` has no `folder`"):
        AUGMENTERS.get("background_noise").build(sample_rate=RATE)


def test_a_model_can_be_built_where_the_noise_is_absent(tmp_path: Path) -> None:
    entry = AUGMENTERS.get("background_noise")
    entry.build(entry.configure(folder=str(tmp_path / "absent")), sample_rate=RATE)


def test_real_noise_is_added_to_a_real_word(real_data: Path) -> None:
    words = real_data / "speech_commands_v2_subset"
    waveform = torch.from_numpy(load_audio(min((words / "yes").glob("*.wav")), RATE))
    options = {"prob": 1.0, "snr_db": (10.0, 10.0)}
    changed = [
        add_noise(words / "_background_noise_", waveform, seed, **options) for seed in range(8)
    ]
    assert [ratio_db(waveform, each) for each in changed] == pytest.approx([10] * 8, abs=0.1)
    assert len({each[0].item() for each in changed}) == 8
