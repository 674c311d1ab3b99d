from __future__ import annotations

import io
import os
from pathlib import Path

import numpy as np
import pytest
import soundfile

from asclf.audio.io import AudioInfo, decode, decode_blocks, encode_flac, load_audio, probe
from asclf.errors import AudioError

SAMPLE_RATE = 16_000


@pytest.fixture
def tone() -> np.ndarray:
    """A second of 440 Hz at half of full scale."""
    return (0.5 * np.sin(2 * np.pi * 440 * np.arange(SAMPLE_RATE) / SAMPLE_RATE)).astype(np.float32)


def encode(samples: np.ndarray, container: str, subtype: str | None = None, rate=SAMPLE_RATE):
    stream = io.BytesIO()
    soundfile.write(stream, samples, rate, format=container, subtype=subtype)
    return stream.getvalue()


def error_of(source: Path | bytes) -> AudioError:
    with pytest.raises(AudioError) as caught:
        load_audio(source, SAMPLE_RATE)
    return caught.value


@pytest.mark.parametrize(
    ("container", "subtype", "tolerance"),
    [
        ("WAV", "PCM_U8", 1e-2),
        ("WAV", "PCM_16", 1e-4),
        ("WAV", "PCM_24", 1e-6),
        ("WAV", "PCM_32", 1e-6),
        ("WAV", "FLOAT", 0),
        ("WAV", "DOUBLE", 0),
        ("WAV", "ULAW", 2e-2),
        ("WAVEX", "PCM_24", 1e-6),
        ("RF64", "PCM_16", 1e-4),
        ("AIFF", "PCM_16", 1e-4),
        ("AIFF", "FLOAT", 0),
        ("FLAC", "PCM_16", 1e-4),
        ("FLAC", "PCM_24", 1e-6),
        ("OGG", "VORBIS", 5e-2),
        ("OGG", "OPUS", 5e-2),
        ("MP3", "MPEG_LAYER_III", 5e-2),
    ],
)
def test_every_encoding_gives_the_same_waveform(tone, container, subtype, tolerance):
    waveform = load_audio(encode(tone, container, subtype), SAMPLE_RATE)
    assert waveform.dtype == np.float32
    assert waveform.shape == tone.shape
    middle = slice(200, -200)  # Opus fades at the ends
    assert np.abs(waveform[middle] - tone[middle]).max() <= tolerance


def test_stereo_is_averaged(tone):
    stereo = np.stack([tone, 0.5 * tone], axis=1)
    content = encode(stereo, "WAV", "FLOAT")
    samples, rate = decode(content)
    assert (samples.shape, rate) == ((SAMPLE_RATE, 2), SAMPLE_RATE)
    np.testing.assert_allclose(load_audio(content, SAMPLE_RATE), 0.75 * tone, atol=1e-7)


@pytest.mark.parametrize("rate", [8000, 11_025, 16_000, 22_050, 44_100, 48_000, 96_000, 192_000])
def test_every_rate_gives_the_same_tone(rate):
    time_s = np.arange(rate) / rate
    content = encode(0.5 * np.sin(2 * np.pi * 440 * time_s), "WAV", "PCM_16", rate)
    waveform = load_audio(content, SAMPLE_RATE)
    assert waveform.shape == (SAMPLE_RATE,)
    expected = 0.5 * np.sin(2 * np.pi * 440 * np.arange(SAMPLE_RATE) / SAMPLE_RATE)
    middle = slice(1000, -1000)  # the resampler's filter rings at the ends
    assert np.abs(waveform[middle] - expected[middle]).max() < 1e-3


@pytest.mark.parametrize("name", ["with space.wav", "狗叫.wav", "übermäßig.wav", "a'b\"c.wav"])
def test_any_file_name_can_be_read(tmp_path, tone, name):
    path = tmp_path / name
    path.write_bytes(encode(tone, "WAV", "PCM_16"))
    assert load_audio(path, SAMPLE_RATE).shape == tone.shape


@pytest.mark.skipif(os.name != "posix", reason="such names exist on POSIX systems alone")
def test_a_file_name_that_is_not_unicode_can_be_read(tmp_path, tone):
    path = tmp_path / os.fsdecode(b"caf\xe9.wav")
    path.write_bytes(encode(tone, "WAV", "PCM_16"))
    assert load_audio(path, SAMPLE_RATE).shape == tone.shape


def test_digital_silence_is_fine():
    waveform = load_audio(encode(np.zeros(500), "WAV", "PCM_16"), SAMPLE_RATE)
    assert waveform.shape == (500,)
    assert not waveform.any()


def test_one_sample_is_a_clip():
    assert load_audio(encode(np.ones(1) / 2, "WAV", "PCM_16"), SAMPLE_RATE).tolist() == [0.5]


def test_overshoot_of_a_lossy_file_is_clipped_not_wrapped():
    square = np.sign(np.sin(2 * np.pi * 200 * np.arange(SAMPLE_RATE) / SAMPLE_RATE))
    content = encode(square, "OGG", "VORBIS")
    samples, _ = decode(content)
    waveform = load_audio(content, SAMPLE_RATE)
    assert np.abs(samples).max() > 1.01
    np.testing.assert_array_equal(waveform, np.clip(samples[:, 0], -1, 1))


def test_a_part_of_a_file():
    ramp = np.arange(SAMPLE_RATE) / SAMPLE_RATE
    content = encode(ramp, "FLAC", "PCM_24")
    part = load_audio(content, SAMPLE_RATE, start_s=0.25, duration_s=0.5)
    np.testing.assert_allclose(part, ramp[4000:12_000], atol=1e-6)
    assert load_audio(content, SAMPLE_RATE, start_s=0.75).shape == (4000,)


def test_a_duration_may_be_rounded_up(tone):
    content = encode(tone, "WAV", "PCM_16")
    assert load_audio(content, SAMPLE_RATE, start_s=0.5, duration_s=0.505).shape == (8000,)


@pytest.mark.parametrize(("start_s", "duration_s"), [(0.5, 0.6), (1.0, 0.1), (2.0, None)])
def test_a_part_beyond_the_end_is_refused(tone, start_s, duration_s):
    with pytest.raises(AudioError, match="which lasts 1 s") as caught:
        load_audio(
            encode(tone, "WAV"), SAMPLE_RATE, start_s=start_s, duration_s=duration_s, where="dog"
        )
    assert caught.value.where == "dog"
    assert "manifest" in caught.value.hint


def test_probe_says_what_the_header_says(tmp_path, tone):
    path = tmp_path / "tone.flac"
    path.write_bytes(encode(np.stack([tone, tone], axis=1), "FLAC", "PCM_24"))
    info = probe(path)
    assert info == AudioInfo(SAMPLE_RATE, SAMPLE_RATE, 2, "FLAC", "PCM_24")
    assert info.duration_s == 1.0


@pytest.mark.parametrize("function", [probe, decode])
def test_errors_name_the_file(tmp_path, function):
    path = tmp_path / "notes.wav"
    path.write_text("these are words, not samples\n" * 20)
    with pytest.raises(AudioError, match="cannot be decoded") as caught:
        function(path)
    assert caught.value.where == str(path)
    assert "FLAC" in caught.value.expected


def test_a_missing_file_is_refused(tmp_path):
    assert "no such file" in error_of(tmp_path / "none.wav").what


def test_a_folder_is_refused(tmp_path):
    assert "is a directory" in error_of(tmp_path).what


def test_an_empty_file_is_refused(tmp_path):
    path = tmp_path / "empty.wav"
    path.touch()
    error = error_of(path)
    assert "empty (0 bytes)" in error.what
    assert error.where == str(path)


@pytest.mark.parametrize("container", ["WAV", "AIFF", "OGG"])
def test_a_file_without_samples_is_refused(container):
    assert "0 samples" in error_of(encode(np.zeros(0), container)).what


def test_samples_without_a_header_are_refused(tmp_path):
    path = tmp_path / "samples.raw"
    path.write_bytes(b"\1\2" * 100)
    assert "no header" in error_of(path).what


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("subtype", ["FLOAT", "DOUBLE"])
def test_values_that_are_not_numbers_are_refused(tone, value, subtype):
    tone[100:103] = value
    error = error_of(encode(tone, "WAV", subtype))
    assert error.what == f"3 of {SAMPLE_RATE} samples are NaN or infinite"


def test_floats_on_the_scale_of_integers_are_refused(tone):
    error = error_of(encode(tone * 32768, "WAV", "FLOAT"))
    assert "16384" in error.what
    assert "±1" in error.expected


def test_a_clip_that_resampling_leaves_nothing_of_is_refused():
    assert "not one sample" in error_of(encode(np.ones(1) / 2, "WAV", rate=192_000)).what


def test_flac_brings_16_bits_back_exactly():
    integers = np.random.default_rng(0).integers(-(1 << 15), 1 << 15, 4000)
    waveform = (integers / (1 << 15)).astype(np.float32)
    np.testing.assert_array_equal(load_audio(encode_flac(waveform, 8000), 8000), waveform)


def test_flac_clips_what_16_bits_cannot_hold():
    content = encode_flac(np.array([1.5, -1.5, 1.0], np.float32), SAMPLE_RATE)
    assert load_audio(content, SAMPLE_RATE).tolist() == [1 - 2**-15, -1.0, 1 - 2**-15]


def test_flac_from_a_pipe_is_refused(tone):
    content = bytearray(encode(tone, "FLAC"))
    content[21] &= 0xF0  # 36 bits of STREAMINFO count the samples; 0 is "unknown"
    content[22:26] = bytes(4)
    error = error_of(bytes(content))
    assert "how long" in error.what
    assert "convert" in error.hint


def test_every_real_clip_is_five_seconds_long(real_data):
    paths = sorted((real_data / "ESC-50" / "audio").glob("*.ogg"))[::40]
    assert len(paths) >= 30
    for path in paths:
        waveform = load_audio(path, SAMPLE_RATE)
        assert waveform.shape == (5 * SAMPLE_RATE,)
        assert np.abs(waveform).max() <= 1


def test_blocks_are_what_decoding_the_whole_gives(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.ogg"
    soundfile.write(path, 0.1 * np.random.default_rng(0).standard_normal((2500, 2)), 8000)
    monkeypatch.setattr("asclf.audio.io.BLOCK_FRAMES", 1000)
    blocks = list(decode_blocks(path))
    assert [len(block) for block in blocks] == [1000, 1000, 500]
    np.testing.assert_array_equal(np.concatenate(blocks), decode(path)[0])
