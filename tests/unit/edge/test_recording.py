from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from asclf.bundle.unknown import UnknownReport, UnknownRule
from asclf.edge.detections import DetectionRule
from asclf.edge.recording import WINDOWS_AT_ONCE, WindowPlan, detect
from asclf.edge.runtime import BundleClassifier
from asclf.errors import AudioError, ConfigError, DataError
from asclf.score.classifier import CheckpointClassifier

SAMPLE_RATE = 8_000
REPORT = UnknownReport(
    known=9, known_kept=8, unknown=7, unknown_kept=1, auroc=0.9, auroc_95=(0.8, 1.0), fpr_at_95=0.2
)


@dataclass
class LevelMeter:
    """Hears loud windows as `loud`, all others as `quiet`."""

    labels = ("loud", "quiet")
    sample_rate = SAMPLE_RATE
    activation = "softmax"
    unknown: Any = None
    largest_batch: int = 0
    factor: float = 1.0

    def batch_logits(self, waveforms: np.ndarray) -> np.ndarray:
        self.largest_batch = max(self.largest_batch, len(waveforms))
        level = np.sqrt(np.mean(waveforms**2, axis=1))
        return self.factor * np.stack([100 * (level - 0.1), np.zeros(len(level))], axis=1)


@pytest.fixture
def bursts(tmp_path: Path) -> Path:
    """20 s at 22 050 Hz, silent but for noise from 4 to 7 s and from 12 to 13.5 s."""
    noise = 0.2 * np.random.default_rng(0).standard_normal(20 * 22_050)
    time_s = np.arange(len(noise)) / 22_050
    sounding = (abs(time_s - 5.5) < 1.5) | (abs(time_s - 12.75) < 0.75)
    path = tmp_path / "bursts.flac"
    soundfile.write(path, noise * sounding, 22_050)
    return path


def test_sounds_are_found_where_they_are(bursts: Path) -> None:
    plan = WindowPlan(window_s=1.0, hop_s=0.25)
    meter = LevelMeter()
    counted: list[int] = []
    result = detect(meter, bursts, plan, on_windows=counted.append)
    loud = [found for found in result.found if found.label == "loud"]
    assert [found.start_s for found in loud] == pytest.approx([4.0, 12.0], abs=0.5)
    assert [found.end_s for found in loud] == pytest.approx([7.0, 13.5], abs=0.5)
    assert min(found.score for found in loud) > 0.7
    assert result.duration_s == 20.0
    assert result.real_time_factor == result.seconds / 20.0
    assert (sum(counted), meter.largest_batch) == (77, WINDOWS_AT_ONCE)


def test_windows_that_are_unknown_detect_nothing(bursts: Path) -> None:
    rule = UnknownRule(
        method="probability", threshold=1.0, chosen_by="", known=9, unknown=7, report=REPORT
    )
    assert detect(LevelMeter(unknown=rule), bursts).found == ()


def test_of_a_cut_recording_the_beginning_is_used(
    bursts: Path, caplog: pytest.LogCaptureFixture
) -> None:
    content = bursts.read_bytes()
    bursts.write_bytes(content[: len(content) // 2])
    result = detect(LevelMeter(), bursts, WindowPlan(window_s=1.0, hop_s=0.5))
    assert result.found[1].label == "loud"
    assert 4.5 < result.duration_s < 14.0
    assert "bursts.flac" in caplog.text


def test_errors_are_those_of_the_file_and_of_the_weights(bursts: Path, tmp_path: Path) -> None:
    with pytest.raises(AudioError, match=r"absent\.wav"):
        detect(LevelMeter(), tmp_path / "absent.wav")
    with pytest.raises(DataError, match="not finite"):
        detect(LevelMeter(factor=np.nan), bursts)


def test_windows_with_gaps_are_refused() -> None:
    with pytest.raises(ConfigError, match="expected 0 s < hop ≤ window"):
        WindowPlan(window_s=1.0, hop_s=2.0)


def test_bundle_and_checkpoint_detect_the_same(
    bursts: Path, tiny_run: Path, tiny_bundle: Path
) -> None:
    rule = DetectionRule(on=0.34, off=0.33)
    of_bundle, of_run = (
        detect(model, bursts, WindowPlan(), rule)
        for model in (BundleClassifier(tiny_bundle), CheckpointClassifier(tiny_run))
    )
    assert of_bundle.found
    for found, expected in zip(of_bundle.found, of_run.found, strict=True):
        assert found.label == expected.label
        assert found.score == pytest.approx(expected.score, abs=1e-3)


MEASURE = """
import json, sys
from asclf.edge.machine import peak_rss_bytes
from asclf.edge.recording import WindowPlan, detect
from asclf.edge.runtime import BundleClassifier
plan = WindowPlan(window_s=10.0, hop_s=10.0)
result = detect(BundleClassifier(sys.argv[1]), sys.argv[2], plan)
print(json.dumps({"rss": peak_rss_bytes(), "duration_s": result.duration_s}))
"""


def _write_recording(path: Path, minutes: int) -> None:
    """A click in a minute of faint noise, again and again, as FLAC."""
    minute = 1e-3 * np.random.default_rng(0).standard_normal(60 * SAMPLE_RATE)
    minute[SAMPLE_RATE : 2 * SAMPLE_RATE : 100] = 0.9
    with soundfile.SoundFile(path, "w", SAMPLE_RATE, 1) as file:
        for _ in range(minutes):
            file.write(minute)


@pytest.mark.slow
def test_three_hours_take_no_more_memory_than_ten_minutes(
    tiny_bundle: Path, tmp_path: Path
) -> None:
    path, peaks = tmp_path / "night.flac", []
    for minutes in (10, 180):
        _write_recording(path, minutes)
        command = [sys.executable, "-c", MEASURE, str(tiny_bundle), str(path)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        told = json.loads(done.stdout)
        assert told["duration_s"] == 60 * minutes
        peaks.append(told["rss"])
    assert peaks[1] - peaks[0] < 16e6  # the samples of 3 hours are 690e6 bytes
