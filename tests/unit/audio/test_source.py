from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from asclf.audio.source import read_source
from asclf.errors import AudioError

TONE = (0.5 * np.sin(2 * np.pi * 440 * np.arange(16_000) / 16_000)).astype(np.float32)


def test_a_file_and_its_samples_give_the_same_waveform(tmp_path: Path) -> None:
    path = tmp_path / "tøne 1.wav"
    soundfile.write(path, np.stack([TONE, 0 * TONE], axis=1), 16_000, subtype="FLOAT")
    from_file, name = read_source(path, 8_000)
    from_array, _ = read_source(np.stack([TONE, 0 * TONE], axis=1), 8_000, 16_000)
    assert name == str(path)
    assert from_file.shape == (8_000,)
    np.testing.assert_array_equal(from_file, from_array)


def test_float64_samples_at_the_models_rate_stay_as_they_are() -> None:
    waveform, _ = read_source(TONE.astype(np.float64), 16_000)
    assert waveform.dtype == np.float32
    np.testing.assert_array_equal(waveform, TONE)


def test_samples_beyond_full_scale_are_clipped_as_a_files_are() -> None:
    waveform, _ = read_source(3 * TONE, 16_000)
    assert waveform.max() == 1.0
    assert waveform.min() == -1.0


@pytest.mark.parametrize(
    ("samples", "message"),
    [
        (np.zeros(100, np.int16), "int16"),
        (np.zeros(0, np.float32), r"\(0,\)"),
        (np.zeros((2, 3, 4), np.float32), r"\(2, 3, 4\)"),
        (np.array([0.0, np.nan]), "nan"),
        (np.array([0.0, np.inf]), "inf"),
        (np.array([0.0, 32_000.0]), "32000"),
    ],
)
def test_an_array_that_is_no_audio_is_refused(samples: np.ndarray, message: str) -> None:
    with pytest.raises(AudioError, match=message):
        read_source(samples, 16_000)
