"""Fingerprints of generated sounds: what they survive, and what they make nothing of."""

from __future__ import annotations

import io

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from asclf.audio.resample import resample
from asclf.data.fingerprint import HOP, SAMPLE_RATE, Fingerprint, fingerprint
from asclf.data.fingerprint_search import compare, find_matches, is_comparable

Waveform = NDArray[np.float32]


def sound(seed: int, seconds: float = 3.0) -> Waveform:
    """Noise whose colour and level change, as those of most recordings do."""
    rng = np.random.default_rng(seed)
    noise = rng.standard_normal(round(seconds * SAMPLE_RATE))
    level = np.interp(
        np.arange(len(noise)), np.linspace(0, len(noise), 20), rng.uniform(0.02, 0.2, 20)
    )
    return np.asarray(level * noise, np.float32)


def of(waveform: Waveform) -> Fingerprint:
    return fingerprint([waveform])


def through(waveform: Waveform, **encoding: str) -> Waveform:
    stream = io.BytesIO()
    soundfile.write(stream, waveform, SAMPLE_RATE, **encoding)
    stream.seek(0)
    return np.asarray(soundfile.read(stream, dtype="float32")[0])


CHANGES = {
    "quieter by 20 dB, in 16 bits": lambda x: through(0.1 * x, format="WAV", subtype="PCM_16"),
    "at 8 kHz": lambda x: resample(resample(x, 16_000, 8_000), 8_000, 16_000),
    "as MP3": lambda x: through(x, format="MP3"),
    "as Vorbis": lambda x: through(x, format="OGG", subtype="VORBIS"),
    "later by half a hop": lambda x: np.concatenate([np.zeros(HOP * 3 + HOP // 2, x.dtype), x]),
    "its middle": lambda x: x[SAMPLE_RATE : 2 * SAMPLE_RATE],
    "upside down": lambda x: -x,
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_copy_is_found_among_others(change: str) -> None:
    sounds = [sound(seed) for seed in range(8)]
    copy = CHANGES[change](sounds[3])
    (match,) = find_matches([of(waveform) for waveform in (*sounds, copy)])
    assert (match.first, match.second) == (3, 8)
    assert match.errors < 0.25


def test_the_shift_and_the_overlap_of_two_cuts_are_told() -> None:
    whole = sound(0, seconds=6.0)
    early, late = whole[: 4 * SAMPLE_RATE], whole[2 * SAMPLE_RATE :]
    (match,) = find_matches([of(early), of(late)])
    assert match.shift_s == pytest.approx(2.0, abs=0.02)
    assert match.overlap_s == pytest.approx(2.0, abs=0.25)
    assert match.errors == 0.0


def test_every_copy_of_many_is_linked() -> None:
    copies = [of(gain * sound(0, 1.5)) for gain in np.linspace(0.2, 1.0, 30)]
    linked = {number for match in find_matches(copies) for number in (match.first, match.second)}
    assert linked == set(range(30))


def test_unrelated_noises_of_any_length_do_not_match() -> None:
    rng = np.random.default_rng(0)
    lengths = rng.uniform(0.1, 3.0, 60)
    assert find_matches([of(sound(1000 + i, seconds)) for i, seconds in enumerate(lengths)]) == []


def test_silence_and_steady_tones_match_nothing_not_even_themselves() -> None:
    time_s = np.arange(3 * SAMPLE_RATE) / SAMPLE_RATE
    steady = [0.3 * np.sin(2 * np.pi * hz * time_s) for hz in (440.0, 440.0, 2500.0)]
    rounding = np.random.default_rng(0).integers(-1, 2, (2, 3 * SAMPLE_RATE)) / 32768
    waveforms = [np.zeros(3 * SAMPLE_RATE), *steady, *rounding]
    prints = [of(np.asarray(waveform, np.float32)) for waveform in waveforms]
    assert not any(map(is_comparable, prints))
    assert find_matches(prints) == []


@pytest.mark.parametrize("samples", [0, 1, 2047, 2048, 4000])
def test_a_short_recording_has_an_empty_or_short_fingerprint(samples: int) -> None:
    short = of(np.ones(samples, np.float32))
    assert len(short) < 6
    assert not is_comparable(short)
    assert find_matches([short, short]) == []


def test_blocks_give_the_fingerprint_of_the_whole() -> None:
    waveform = sound(5)
    whole = of(waveform)
    cuts = np.split(waveform, [100, 5_000, 5_001, 30_000])
    pieces = fingerprint(cuts)
    np.testing.assert_array_equal(pieces.words, whole.words)
    np.testing.assert_array_equal(pieces.valid, whole.valid)
    assert len(whole) == (len(waveform) - 2048) // HOP + 1 - 4


def test_comparing_where_nothing_overlaps_finds_nothing() -> None:
    one = of(sound(0))
    assert compare(one, one, len(one)) is None
    assert compare(one, one, -len(one)) is None
    assert compare(one, one, 0) == (0.0, len(one))


def test_no_recording_matches_none() -> None:
    assert find_matches([]) == []
