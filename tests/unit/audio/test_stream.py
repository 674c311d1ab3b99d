from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from asclf.audio.io import load_audio
from asclf.audio.resample import resample, resample_blocks
from asclf.audio.stream import BLOCK_FRAMES, stream_audio
from asclf.errors import AudioError

SAMPLE_RATE = 16_000


def stereo(seconds: float, rate: int) -> np.ndarray:
    """A rising tone on the left, noise on the right."""
    time_s = np.arange(round(seconds * rate)) / rate
    noise = 0.1 * np.random.default_rng(0).standard_normal(len(time_s))
    return np.stack([0.4 * np.sin(400 * time_s * (1 + time_s)), noise], axis=1)


def streamed(path: Path) -> np.ndarray:
    blocks = list(stream_audio(path, SAMPLE_RATE))
    assert max(map(len, blocks)) <= 2 * BLOCK_FRAMES
    return np.concatenate(blocks)


@pytest.mark.parametrize(
    ("container", "subtype", "rate"),
    [
        ("WAV", "PCM_24", 16_000),
        ("WAV", "PCM_16", 44_100),
        ("FLAC", "PCM_16", 48_000),
        ("OGG", "VORBIS", 22_050),
        ("OGG", "OPUS", 48_000),
        ("MP3", "MPEG_LAYER_III", 44_100),
    ],
)
def test_a_stream_is_the_file_whatever_its_format(
    tmp_path: Path, container: str, subtype: str, rate: int
) -> None:
    path = tmp_path / "recording"
    soundfile.write(path, stereo(3.0, rate), rate, format=container, subtype=subtype)
    np.testing.assert_allclose(streamed(path), load_audio(path, SAMPLE_RATE), atol=2e-6)


@pytest.mark.parametrize(("name", "share"), [("a.wav", 0.7), ("a.flac", 0.7), ("a.mp3", 0.7)])
def test_of_a_cut_file_what_is_there_is_given_with_a_warning(
    tmp_path: Path, name: str, share: float, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / name
    soundfile.write(path, stereo(8.0, 22_050), 22_050)
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(AudioError):
        load_audio(path, SAMPLE_RATE)
    waveform = streamed(path)
    assert 0.5 < len(waveform) / (8.0 * SAMPLE_RATE) < share + 0.1
    assert str(path) in caplog.text
    assert [record.levelname for record in caplog.records] in (["WARNING"], ["WARNING"] * 2)


def test_what_holds_no_sound_at_all_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    for content in (b"", b"RIFF", b"not audio at all"):
        path.write_bytes(content)
        with pytest.raises(AudioError, match=r"a\.wav"):
            list(stream_audio(path, SAMPLE_RATE))
    soundfile.write(path, np.zeros(0), SAMPLE_RATE)
    with pytest.raises(AudioError, match="0 samples"):
        list(stream_audio(path, SAMPLE_RATE))
    with pytest.raises(AudioError, match="cannot be opened"):
        list(stream_audio(tmp_path / "absent.wav", SAMPLE_RATE))


def test_samples_that_are_no_numbers_are_an_error(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    soundfile.write(path, [0.0, np.nan], SAMPLE_RATE, subtype="FLOAT")
    with pytest.raises(AudioError, match="NaN or infinite"):
        list(stream_audio(path, SAMPLE_RATE))


@pytest.mark.parametrize("size", [1, 7, 1000, 10_000])
@pytest.mark.parametrize(("from_hz", "to_hz"), [(8_000, 16_000), (44_100, 16_000)])
def test_blocks_are_resampled_as_the_whole_is(size: int, from_hz: int, to_hz: int) -> None:
    waveform = stereo(0.2, from_hz)[:, 0].astype(np.float32)
    blocks = [waveform[i : i + size] for i in range(0, len(waveform), size)]
    converted = list(resample_blocks(blocks, from_hz, to_hz))
    assert all(map(len, converted))
    whole = resample(waveform, from_hz, to_hz)
    np.testing.assert_allclose(np.concatenate(converted), whole, atol=1e-6)
