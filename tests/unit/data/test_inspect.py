from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from asclf.data.inspect import Recording, Unreadable, inspect_recording
from asclf.data.inspect_jobs import map_in_processes
from asclf.errors import DataError

RATE = 8000


def write(path: Path, samples: np.ndarray, rate: int = RATE) -> Recording:
    soundfile.write(path, samples, rate, subtype="PCM_16")
    found = inspect_recording(path)
    assert isinstance(found, Recording)
    return found


def test_the_numbers_of_a_recording(tmp_path: Path) -> None:
    noise = 0.1 * np.random.default_rng(0).uniform(-1, 1, (RATE, 2))
    noise[100, 1] = 0.5
    noise[RATE // 2 :] = 0
    found = write(tmp_path / "a.wav", noise)
    assert (found.duration_s, found.sample_rate, found.channels) == (1.0, RATE, 2)
    assert found.format == "WAV PCM_16"
    assert found.peak_db == pytest.approx(20 * np.log10(0.5), abs=0.01)
    assert found.silent == 0.5
    assert found.clipped == 0.0
    assert not found.is_silent


def test_silence_is_silent(tmp_path: Path) -> None:
    digital = write(tmp_path / "a.wav", np.zeros(RATE))
    quiet = write(tmp_path / "b.wav", np.full(RATE, 0.0005))
    assert digital.is_silent
    assert quiet.is_silent
    assert (digital.silent, digital.peak_db) == (1.0, -200.0)


def test_only_runs_at_full_scale_are_clipped(tmp_path: Path) -> None:
    samples = np.zeros((RATE, 2))
    samples[10:14, 0] = 1.0
    samples[20:23, 1] = -1.0
    samples[30:32, 0] = 1.0  # two in a row may be a peak
    samples[RATE - 3 :, 1] = 1.0
    assert write(tmp_path / "a.wav", samples).clipped == pytest.approx(10 / (2 * RATE))


@pytest.mark.parametrize(
    ("content", "reason"),
    [(b"", "the file is empty"), (b"not audio", "cannot be decoded"), (None, "cannot be opened")],
)
def test_a_file_that_cannot_be_read_says_why(
    tmp_path: Path, content: bytes | None, reason: str
) -> None:
    path = tmp_path / "a.wav"
    if content is not None:
        path.write_bytes(content)
    found = inspect_recording(path)
    assert isinstance(found, Unreadable)
    assert found.reason.startswith(reason)


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no such names")
def test_a_name_that_is_no_text_says_so(tmp_path: Path) -> None:
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff.wav"))
    found = inspect_recording(path)
    assert found == Unreadable(path, "its name is no UTF-8; rename it")


def test_results_come_in_order_and_are_counted() -> None:
    told: list[tuple[int, int]] = []
    found = map_in_processes(abs, [-3, 2, -1], jobs=1, progress=lambda *counts: told.append(counts))
    assert found == [3, 2, 1]
    assert told == [(1, 3), (2, 3), (3, 3)]


@pytest.mark.slow
def test_processes_give_the_same_and_a_killed_one_is_told() -> None:
    assert map_in_processes(abs, list(range(-20, 0)), jobs=2) == list(range(20, 0, -1))
    with pytest.raises(DataError, match="was killed"):
        map_in_processes(os._exit, [1], jobs=2)
