from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from asclf.audio.io import load_audio
from asclf.augmenters._recordings import Recordings
from asclf.data.manifest import Clip, write_manifest
from asclf.data.shards import write_shards
from asclf.errors import AudioError, DataError

RATE = 8000


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def write_ramp(path: Path, samples: int, rate: int = RATE, sign: int = 1) -> Path:
    """Sample n of the file is n / 2**15, so that each stretch tells where it is from."""
    path.parent.mkdir(parents=True, exist_ok=True)
    ramp = sign * np.arange(1, samples + 1, dtype=np.int16)
    soundfile.write(path, ramp, rate, subtype="PCM_16")
    return path


def numbers(stretch: torch.Tensor) -> list[int]:
    return (stretch * 2**15).round().int().tolist()


@pytest.fixture
def shards(tmp_path: Path) -> Path:
    """Shards of two recordings, of 300 and of 500 samples, the second one falling."""
    clips = [
        Clip("up", write_ramp(tmp_path / "audio" / "up.wav", 300), ("noise",)),
        Clip("down", write_ramp(tmp_path / "audio" / "down.wav", 500, sign=-1), ("noise",)),
    ]
    write_manifest(tmp_path / "manifest.jsonl", clips)
    write_shards(tmp_path / "manifest.jsonl", tmp_path / "shards", sample_rate=RATE)
    return tmp_path / "shards"


@pytest.mark.parametrize("samples", [1, 77, 999])
def test_a_stretch_of_a_longer_recording_is_from_anywhere_in_it(
    tmp_path: Path, samples: int
) -> None:
    write_ramp(tmp_path / "noise.wav", 1100)
    recordings, first = Recordings(tmp_path, sample_rate=RATE), []
    for seed in range(60):
        stretch = numbers(recordings.draw_stretch(samples, generator(seed)))
        assert stretch == list(range(stretch[0], stretch[0] + samples))
        first.append(stretch[0])
    spare = 1100 - samples
    assert min(first) < 0.2 * spare
    assert max(first) > 0.8 * spare


@pytest.mark.parametrize("samples", [100, 1000, 1001])
def test_a_shorter_recording_is_repeated_from_anywhere_in_it(tmp_path: Path, samples: int) -> None:
    write_ramp(tmp_path / "noise.wav", 100)
    recordings = Recordings(tmp_path, sample_rate=RATE)
    first = set()
    for seed in range(30):
        stretch = numbers(recordings.draw_stretch(samples, generator(seed)))
        assert stretch == [1 + (stretch[0] - 1 + i) % 100 for i in range(samples)]
        first.add(stretch[0])
    assert len(first) > 10


@pytest.mark.parametrize("rate", [7999, 11_025, 16_000, 44_100])
def test_a_stretch_has_its_length_whatever_the_rate_of_the_recording(
    tmp_path: Path, rate: int
) -> None:
    write_ramp(tmp_path / "noise.wav", 3 * rate // 10, rate)
    recordings = Recordings(tmp_path, sample_rate=RATE)
    for seed in range(10):
        for samples in (1, 400, 1233, 2399, 2400, 2401, 5000):
            assert recordings.draw_stretch(samples, generator(seed)).shape == (samples,)


def test_whole_recordings_are_drawn_by_name_each_as_likely(tmp_path: Path) -> None:
    paths = [write_ramp(tmp_path / name, 10) for name in ("a.wav", "sub/b.wav", "sub/deep/c.flac")]
    recordings = Recordings(tmp_path, sample_rate=RATE)
    drawn = [recordings.draw(generator(seed)) for seed in range(90)]
    counts = [sum(name == str(path) for _, name in drawn) for path in paths]
    assert sum(counts) == 90
    assert min(counts) > 15
    assert all(numbers(waveform) == list(range(1, 11)) for waveform, _ in drawn)


def test_clips_of_shards_are_drawn_like_files(shards: Path) -> None:
    recordings = Recordings(shards, sample_rate=RATE)
    whole = {
        name: len(waveform) for waveform, name in map(recordings.draw, map(generator, range(9)))
    }
    assert sorted(whole.values()) == [300, 500]
    assert all(str(shards) in name for name in whole)
    for seed in range(9):
        stretch = numbers(recordings.draw_stretch(100, generator(seed)))
        step = stretch[1] - stretch[0]
        assert stretch == list(range(stretch[0], stretch[0] + 100 * step, step))


def test_shards_of_another_rate_are_resampled(shards: Path) -> None:
    assert len(Recordings(shards, sample_rate=2 * RATE).draw(generator())[0]) in (600, 1000)


@pytest.mark.parametrize("place", [{"fold": 3}, {"split": "test"}])
def test_shards_that_may_be_scored_are_refused(tmp_path: Path, place: dict[str, object]) -> None:
    clip = Clip("a", write_ramp(tmp_path / "a.wav", 50), ("noise",), **place)
    write_manifest(tmp_path / "manifest.jsonl", [clip])
    write_shards(tmp_path / "manifest.jsonl", tmp_path / "shards", sample_rate=RATE)
    with pytest.raises(DataError, match="folds or splits, which may be scored"):
        Recordings(tmp_path / "shards", sample_rate=RATE).draw(generator())


def test_nothing_is_looked_for_before_something_is_drawn(tmp_path: Path) -> None:
    recordings = Recordings(tmp_path / "absent", sample_rate=RATE)
    with pytest.raises(DataError, match=r"absent: there is no such folder$"):
        recordings.draw(generator())


def test_an_empty_folder_is_an_error_of_one_line(tmp_path: Path) -> None:
    with pytest.raises(
        DataError, match=r"^\S+: there is no audio file in this folder; expected .*$"
    ):
        Recordings(tmp_path, sample_rate=RATE).draw_stretch(5, generator())


def test_a_recording_that_cannot_be_decoded_is_named(tmp_path: Path) -> None:
    (tmp_path / "broken.wav").write_bytes(b"RIFF0000")
    with pytest.raises(AudioError, match=r"broken\.wav: "):
        Recordings(tmp_path, sample_rate=RATE).draw_stretch(5, generator())


def test_stretches_of_real_noise_are_those_of_the_files(real_data: Path) -> None:
    folder = real_data / "speech_commands_v2_subset" / "_background_noise_"
    recordings = Recordings(folder, sample_rate=16_000)
    whole = {path: torch.from_numpy(load_audio(path, 16_000)) for path in folder.glob("*.wav")}
    for seed in range(5):
        stretch = recordings.draw_stretch(4000, generator(seed))
        windows = [
            waveform.unfold(0, 4000, 1)[:, :8].eq(stretch[:8]).all(1) for waveform in whole.values()
        ]
        assert any(window.any() for window in windows)
