from __future__ import annotations

import io

import numpy as np
import pytest
import soundfile

from asclf.audio.io import load_audio
from asclf.errors import AudioError

SAMPLE_RATE = 16_000
NOISE = (0.1 * np.random.default_rng(0).standard_normal(2 * SAMPLE_RATE)).astype(np.float32)


def encode(container: str, subtype: str | None = None, **options) -> bytes:
    stream = io.BytesIO()
    soundfile.write(stream, NOISE, SAMPLE_RATE, format=container, subtype=subtype, **options)
    return stream.getvalue()


def refuse(content: bytes) -> AudioError:
    with pytest.raises(AudioError) as caught:
        load_audio(content, SAMPLE_RATE, where="clip 7")
    assert caught.value.where == "clip 7"
    return caught.value


@pytest.mark.parametrize(
    ("container", "subtype"),
    [
        ("WAV", "PCM_U8"),
        ("WAV", "PCM_16"),
        ("WAV", "FLOAT"),
        ("WAV", "IMA_ADPCM"),
        ("WAVEX", "PCM_24"),
        ("RF64", "PCM_16"),
        ("AIFF", "PCM_16"),
        ("AIFF", "FLOAT"),
        ("FLAC", "PCM_16"),
        ("OGG", "VORBIS"),
        ("OGG", "OPUS"),
        ("MP3", None),
    ],
)
@pytest.mark.parametrize("share", [0.02, 0.5, 0.9, 0.999])
def test_a_cut_file_is_refused(container, subtype, share):
    content = encode(container, subtype)
    assert load_audio(content, SAMPLE_RATE).size >= NOISE.size
    refuse(content[: int(len(content) * share)])


def test_the_error_says_how_much_is_missing():
    error = refuse(encode("WAV", "PCM_16")[:30_044])
    assert "declares 64000 bytes of samples, 30000 are there" in error.what
    assert "again" in error.hint


def test_big_endian_wav_is_measured_too():
    content = encode("WAV", "PCM_16", endian="BIG")
    assert content[:4] == b"RIFX"
    refuse(content[:-100])


@pytest.mark.parametrize("declared", [0xFFFF_FFFF, 0x7FFF_F000, 0x8000_0000])
def test_a_wav_from_a_pipe_is_read_to_its_end(declared):
    content = bytearray(encode("WAV", "PCM_16"))
    content[4:8] = content[40:44] = declared.to_bytes(4, "little")
    assert load_audio(bytes(content), SAMPLE_RATE).shape == NOISE.shape


def test_a_wav_that_was_never_finished_is_refused():
    content = bytearray(encode("WAV", "PCM_16"))
    content[4:8] = content[40:44] = bytes(4)
    assert "declares no samples, 64000 bytes" in refuse(bytes(content)).what


def test_chunks_after_the_samples_are_no_fault():
    content = encode("WAV", "PCM_16") + b"LIST" + (4).to_bytes(4, "little") + b"INFO"
    assert load_audio(content, SAMPLE_RATE).shape == NOISE.shape


def test_an_ogg_stream_without_its_last_page_is_refused():
    content = encode("OGG", "VORBIS")
    error = refuse(content[: content.rfind(b"OggS")])
    assert "not the end of the stream" in error.what


def info_frame(content: bytes) -> bytes:
    """The first frame, which holds the Info header: up to the next sync word of the same stream."""
    return content[: content.index(content[:3][:2], 4)]


def test_mp3_without_info_header_is_read_to_its_end():
    content = encode("MP3", bitrate_mode="CONSTANT", compression_level=0.5)
    head = info_frame(content)
    assert b"Info" in head
    waveform = load_audio(content[len(head) :], SAMPLE_RATE)
    assert NOISE.size <= waveform.size < NOISE.size + 3 * 1152


def test_mp3_of_variable_rate_without_info_header_is_refused():
    content = encode("MP3", bitrate_mode="VARIABLE")
    head = info_frame(content)
    assert b"Xing" in head
    assert "variable bit rate and no Info header" in refuse(content[len(head) :]).what


def test_mp3_cut_between_frames_is_refused():
    content = encode("MP3", bitrate_mode="CONSTANT", compression_level=0.5)
    length = len(info_frame(content))
    assert "frames" in refuse(content[: length * (len(content) // length // 2)]).what


def test_mp3_with_id3_tags_is_fine():
    tag = b"ID3\x04\0\0" + bytes([0, 0, 1, 0]) + bytes(128)
    content = tag + encode("MP3") + b"TAG" + bytes(125)
    assert load_audio(content, SAMPLE_RATE).shape == NOISE.shape
    refuse(content[:3000])


@pytest.mark.fuzz
def test_no_cut_or_flip_of_any_file_escapes_as_another_error():
    rng = np.random.default_rng(0)
    for container in ("WAV", "AIFF", "FLAC", "OGG", "MP3"):
        content = encode(container)
        for _ in range(100):
            broken = bytearray(content[: rng.integers(1, len(content) + 1)])
            broken[rng.integers(len(broken))] ^= 1 << rng.integers(8)
            try:
                waveform = load_audio(bytes(broken), SAMPLE_RATE)
            except AudioError:
                continue
            assert np.isfinite(waveform).all()
