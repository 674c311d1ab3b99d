"""A recording's gain does not change what SpectroMaskNet makes of it."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from asclf.audio.io import load_audio
from asclf.config import load_experiment
from asclf.model import AudioClassifier, build_classifier

ROOT = Path(__file__).parents[2]
FRONTENDS = ("default", "paper")
SAMPLE_RATE = 16_000
GAINS_DB = (-20.0, -7.0, 9.0, 20.0)


@pytest.fixture(scope="module", params=FRONTENDS)
def model(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> AudioClassifier:
    frontend = (ROOT / "conf" / "frontend" / f"{request.param}.yaml").resolve()
    config = tmp_path_factory.mktemp("gain") / "x.yaml"
    config.write_text(f"base: ['{frontend.as_posix()}']\nbackbone: {{type: spectromasknet_tiny}}\n")
    torch.manual_seed(0)
    return build_classifier(load_experiment(config), num_classes=10).eval()


def rms_db(waveform: NDArray[np.float32]) -> float:
    return 20 * math.log10(float(np.sqrt(np.mean(waveform.astype(np.float64) ** 2))))


def changes(model: AudioClassifier, waveform: NDArray[np.float32]) -> list[float]:
    """Largest change of a logit under every gain that keeps the level within −40 and 0 dBFS."""
    logits = []
    for gain_db in (0.0, *GAINS_DB):
        if -40 <= rms_db(waveform) + gain_db <= 0:
            louder = torch.from_numpy(waveform * np.float32(10 ** (gain_db / 20)))
            with torch.inference_mode():
                logits.append(model(louder.unsqueeze(0)))
    assert logits[0].abs().max() > 1e-3, "the logits are all 0"
    return [float((other - logits[0]).abs().max()) for other in logits[1:]]


def test_gain_does_not_change_the_logits_of_noise_and_silence(model: AudioClassifier) -> None:
    rng = np.random.default_rng(0)
    noise = 0.05 * rng.standard_normal(2 * SAMPLE_RATE).astype(np.float32)
    noise[SAMPLE_RATE : SAMPLE_RATE + SAMPLE_RATE // 2] = 0  # as the padding of ESC-50's clips
    found = changes(model, noise)
    assert len(found) == 3
    assert max(found) < 1e-3


def test_gain_does_not_change_the_logits_of_real_clips(
    model: AudioClassifier, real_data: Path
) -> None:
    paths = sorted((real_data / "ESC-50" / "audio").glob("*.*"))[::40]
    clips = [load_audio(path, SAMPLE_RATE) for path in paths]
    audible = [clip for clip in clips if clip.any() and -40 <= rms_db(clip) <= 0]
    found = [change for clip in audible for change in changes(model, clip)]
    assert len(found) >= 20
    assert max(found) < 1e-3
