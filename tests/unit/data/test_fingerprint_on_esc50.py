"""Fingerprints of real recordings: copies that are found, and others that are not taken for one."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from asclf.audio.io import decode
from asclf.audio.resample import resample
from asclf.data.fingerprint import SAMPLE_RATE, Fingerprint, fingerprint
from asclf.data.fingerprint_search import find_matches

pytestmark = pytest.mark.slow

Waveform = NDArray[np.float32]
STEP = 5
"""Every fifth clip is looked at; of these every fourth is copied."""


def through(waveform: Waveform, rate: int, **encoding: str) -> tuple[Waveform, int]:
    stream = io.BytesIO()
    soundfile.write(stream, waveform, rate, **encoding)
    stream.seek(0)
    decoded, rate = soundfile.read(stream, dtype="float32")
    return decoded, rate


CHANGES: dict[str, Callable[[Waveform, int], tuple[Waveform, int]]] = {
    "quieter by 10 dB": lambda x, hz: through(x * 10**-0.5, hz, format="WAV", subtype="PCM_16"),
    "at 16 kHz": lambda x, hz: (resample(x, hz, 16_000), 16_000),
    "as MP3": lambda x, hz: through(x, hz, format="MP3"),
    "as Vorbis": lambda x, hz: through(x, hz, format="OGG", subtype="VORBIS"),
    "50 ms later": lambda x, hz: (np.concatenate([np.zeros(hz // 20, np.float32), x]), hz),
    "without its last second": lambda x, hz: (x[:-hz], hz),
}


def heard(path: Path, change: str | None = None) -> Fingerprint:
    samples, rate = decode(path)
    waveform = samples.mean(axis=1)
    if change is not None:
        waveform, rate = CHANGES[change](waveform, rate)
    return fingerprint([resample(np.ascontiguousarray(waveform), rate, SAMPLE_RATE)])


@pytest.fixture(scope="module")
def clips(real_data: Path) -> list[tuple[Path, str]]:
    """Paths and classes."""
    with (real_data / "ESC-50" / "meta" / "esc50.csv").open(newline="") as table:
        rows = list(csv.DictReader(table))[::STEP]
    return [(real_data / "ESC-50" / "audio" / row["filename"], row["category"]) for row in rows]


@pytest.fixture(scope="module")
def prints(clips: list[tuple[Path, str]]) -> list[Fingerprint]:
    return [heard(path) for path, _ in clips]


def test_nothing_matches_across_classes(
    clips: list[tuple[Path, str]], prints: list[Fingerprint]
) -> None:
    assert len(prints) >= 300
    found = [(clips[match.first], clips[match.second]) for match in find_matches(prints)]
    assert [(one, other) for one, other in found if one[1] != other[1]] == []


@pytest.mark.parametrize("change", CHANGES)
def test_nearly_all_changed_copies_are_found(
    clips: list[tuple[Path, str]], prints: list[Fingerprint], change: str
) -> None:
    copied = range(0, len(clips), 4)
    copies = [heard(clips[i][0], change) for i in copied]
    pairs = {(match.first, match.second) for match in find_matches([*prints, *copies])}
    found = [(i, len(prints) + place) in pairs for place, i in enumerate(copied)]
    assert len(found) >= 75
    assert np.mean(found) >= 0.95


def test_one_alarm_clock_is_in_two_official_folds(real_data: Path) -> None:
    audio = real_data / "ESC-50" / "audio"
    prints = [heard(audio / name) for name in ("1-14262-A-37.ogg", "4-198841-A-37.ogg")]
    (match,) = find_matches(prints)
    assert match.overlap_s > 4
    assert match.errors < 0.15
