"""Audio files to float32 samples, by libsndfile: WAV, FLAC, Ogg Vorbis and Opus, MP3, AIFF.

Samples are always read as float32: libsndfile wraps Vorbis around where an int16 would overflow.
What is decoded is checked, since a network trains on wrong samples without complaint: a file that
is empty, cut short, not audio, or that holds values that are not finite is an `AudioError`. Digital
silence is fine.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
import soundfile
from numpy.typing import NDArray

from asclf.audio.resample import resample
from asclf.audio.truncation import find_fault
from asclf.errors import AudioError

FORMATS = "a WAV, FLAC, Ogg (Vorbis or Opus), MP3 or AIFF file"
END_TOLERANCE_S = 0.01
"""A clip may reach this far past the end of its file: durations in metadata are rounded."""
LARGEST_SAMPLE = 10.0
"""Float samples above this (+20 dB) are not on the scale where ±1 is full scale."""
BLOCK_FRAMES = 1 << 20
"""Frames to read at once: a damaged header may declare more than there is memory for."""
UNKNOWN_FRAMES = 1 << 62
"""libsndfile's count from here on stands for "the header does not say"."""
HINT = "fetch or export it again"


@dataclass(frozen=True)
class AudioInfo:
    """What the header of an audio file says.

    Attributes:
        frames: Samples per channel; a guess for an MP3 file without an Info header.
        sample_rate: In Hz.
        channels: Number of channels.
        format: Container, in libsndfile's words (`WAV`, `OGG`, …).
        subtype: Encoding of the samples, in libsndfile's words (`PCM_16`, `VORBIS`, …).
    """

    frames: int
    sample_rate: int
    channels: int
    format: str
    subtype: str

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return self.frames / self.sample_rate


def probe(source: Path | bytes, *, where: object = None) -> AudioInfo:
    """Reads what a file's header says, without decoding it.

    Args:
        source: A file, or the content of one.
        where: What to call it in an error, if not by its path.

    Raises:
        AudioError: The file is missing, empty, cut short, or not audio.
    """
    with _open(source, _name(source, where)) as file:
        return AudioInfo(file.frames, file.samplerate, file.channels, file.format, file.subtype)


def decode(source: Path | bytes, *, where: object = None) -> tuple[NDArray[np.float32], int]:
    """Decodes a whole file.

    Args:
        source: A file, or the content of one.
        where: What to call it in an error, if not by its path.

    Returns:
        Samples (S, channels) and their rate in Hz. Full scale is ±1; lossy and float formats may
        go beyond it.

    Raises:
        AudioError: The file cannot be decoded to at least one finite sample.
    """
    where = _name(source, where)
    with _open(source, where) as file:
        return _read(file, where), file.samplerate


def decode_blocks(source: Path | bytes, *, where: object = None) -> Iterator[NDArray[np.float32]]:
    """Decodes a whole file as `decode` does, block by block: memory does not grow with its length.

    Yields:
        Samples (S, channels) at the file's rate.

    Raises:
        AudioError: As `decode`, though perhaps after some blocks.
    """
    where = _name(source, where)
    with _open(source, where) as file:
        decoded = 0
        for block in _read_blocks(file, 0, file.frames, where):
            check_values(block, where)
            decoded += len(block)
            yield block
        _check_count(file, decoded, file.frames, where, is_guess=True)


def load_audio(
    source: Path | bytes,
    sample_rate: int,
    *,
    start_s: float = 0.0,
    duration_s: float | None = None,
    where: object = None,
) -> NDArray[np.float32]:
    """Decodes a clip to what every front end takes: (S,) mono at `sample_rate`, in [−1, 1].

    Channels are averaged. What goes beyond full scale is clipped, after resampling, so that a clip
    is the same whether it comes from its file or through a shard.

    Args:
        source: A file, or the content of one.
        sample_rate: In Hz; a file of another rate is resampled.
        start_s: Where the clip begins in the file.
        duration_s: Length of the clip; `None` for all that follows.
        where: What to call it in an error, if not by its path.

    Raises:
        AudioError: The file cannot be decoded to at least one finite sample, or ends before the
            clip does.
    """
    where = _name(source, where)
    with _open(source, where) as file:
        samples = _read(file, where, *_span(file, start_s, duration_s, where))
        from_hz = file.samplerate
    waveform = resample(samples.mean(axis=1, dtype=np.float32), from_hz, sample_rate)
    if not len(waveform):
        raise AudioError(f"it holds not one sample at {sample_rate} Hz", where=where)
    return np.clip(waveform, -1.0, 1.0)


def encode_flac(waveform: NDArray[np.float32], sample_rate: int) -> bytes:
    """Encodes a clip (S,) as 16-bit FLAC; what came from 16 bits comes back exactly."""
    scaled = np.rint(waveform * np.float32(1 << 15))
    samples = np.clip(scaled, -(1 << 15), (1 << 15) - 1).astype(np.int16)
    stream = io.BytesIO()
    soundfile.write(stream, samples, sample_rate, format="FLAC", subtype="PCM_16")
    return stream.getvalue()


def _name(source: Path | bytes, where: object) -> object:
    if where is not None:
        return where
    return "audio in memory" if isinstance(source, bytes) else source


@contextmanager
def _open(source: Path | bytes, where: object) -> Iterator[soundfile.SoundFile]:
    with open_stream(source, where) as stream:
        fault = find_fault(stream)
        if fault is not None:
            raise AudioError(f"the file is not whole: {fault}", where=where, hint=HINT)
        with open_sound(stream, where) as file:
            _check_frames(file.frames, where)
            yield file


def open_stream(source: Path | bytes, where: object) -> BinaryIO:
    """Opens a file, or the content of one, at its beginning.

    Raises:
        AudioError: The file is missing or empty.
    """
    stream = _open_bytes(source, where)
    if not stream.read(1):
        stream.close()
        raise AudioError("the file is empty (0 bytes)", where=where, expected=FORMATS)
    stream.seek(0)
    return stream


def open_sound(stream: BinaryIO, where: object) -> soundfile.SoundFile:
    """Opens what libsndfile can decode.

    Raises:
        AudioError: It cannot decode this.
    """
    try:
        return soundfile.SoundFile(stream)
    except soundfile.LibsndfileError as error:
        raise undecodable(error, where) from error
    except TypeError as error:  # soundfile asks for a rate where a name ends in .raw
        raise AudioError("has no header to decode by", where=where, expected=FORMATS) from error


def _open_bytes(source: Path | bytes, where: object) -> BinaryIO:
    if isinstance(source, bytes):
        return io.BytesIO(source)
    try:
        return source.open("rb")
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise AudioError(f"cannot be opened: {reason}", where=where, expected=FORMATS) from error


def _check_frames(frames: int, where: object) -> None:
    if not frames:
        raise AudioError("it holds 0 samples", where=where, expected="at least one")
    if frames >= UNKNOWN_FRAMES:  # FLAC from a pipe; libsndfile fails at its end
        raise AudioError(
            "its header does not say how long it is", where=where, hint="convert it to a new file"
        )


def undecodable(error: soundfile.LibsndfileError, where: object) -> AudioError:
    """What libsndfile says of a file, as an error of the user's."""
    reason = error.error_string.strip().rstrip(".").lower() or "its data is damaged"
    return AudioError(f"cannot be decoded: {reason}", where=where, expected=FORMATS)


def _span(
    file: soundfile.SoundFile, start_s: float, duration_s: float | None, where: object
) -> tuple[int, int | None]:
    """First frame and number of frames (`None` for all that follow) of a clip."""
    start = round(start_s * file.samplerate)
    wanted = None if duration_s is None else max(1, round(duration_s * file.samplerate))
    present = file.frames - start
    if present <= 0 or (wanted or 0) - present > END_TOLERANCE_S * file.samplerate:
        end_s = start_s + (duration_s or 0.0)
        raise AudioError(
            f"the clip from {start_s:g} to {end_s:g} s is not all in the file, "
            f"which lasts {file.frames / file.samplerate:g} s",
            where=where,
            hint="compare the clip's start and duration in the manifest with the file",
        )
    return start, None if wanted is None else min(wanted, present)


def _read(
    file: soundfile.SoundFile, where: object, start: int = 0, wanted: int | None = None
) -> NDArray[np.float32]:
    """Reads samples (S, channels) and checks them."""
    frames = file.frames - start if wanted is None else wanted
    blocks = _read_blocks(file, start, frames, where)
    samples = np.concatenate([np.empty((0, file.channels), np.float32), *blocks])
    _check_count(file, len(samples), frames, where, is_guess=wanted is None)
    check_values(samples, where)
    return samples


def _read_blocks(
    file: soundfile.SoundFile, start: int, frames: int, where: object
) -> Iterator[NDArray[np.float32]]:
    try:
        file.seek(start)
        while frames > 0:
            block = file.read(min(frames, BLOCK_FRAMES), dtype="float32", always_2d=True)
            if not len(block):
                break
            yield block
            frames -= len(block)
    except soundfile.LibsndfileError as error:
        raise undecodable(error, where) from error


def _check_count(
    file: soundfile.SoundFile, decoded: int, frames: int, where: object, *, is_guess: bool
) -> None:
    """Makes sure that all frames were decoded; of an MP3 file without a header, one."""
    if decoded < (1 if is_guess and file.format == "MP3" else frames):
        what = f"decoding ends after {decoded} of {frames} samples"
        raise AudioError(what, where=where, hint=HINT)


def check_values(samples: NDArray[np.float32], where: object) -> None:
    """Makes sure that samples, at least one, are numbers on the scale where ±1 is full scale.

    Raises:
        AudioError: They are not.
    """
    largest = float(np.abs(samples).max())  # NaN where one sample is
    if not np.isfinite(largest):
        bad = int(np.count_nonzero(~np.isfinite(samples)))
        raise AudioError(
            f"{bad} of {samples.size} samples are NaN or infinite", where=where, expected="numbers"
        )
    if largest > LARGEST_SAMPLE:
        raise AudioError(
            f"a float sample is {largest:g}",
            where=where,
            expected="full scale to be ±1",
            hint="divide by the scale that the file was written with",
        )
