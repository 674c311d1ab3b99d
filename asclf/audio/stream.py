"""Recordings of any length, decoded block by block: memory does not depend on how long they are.

What `load_audio` refuses since its end is missing is read here as far as it goes, with a warning in
the log: of a recording of hours, the rest is worth having. A file is only read onwards, so formats
in which one cannot seek are no exception.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from asclf.audio.io import UNKNOWN_FRAMES, check_values, open_sound, open_stream, undecodable
from asclf.audio.resample import resample_blocks
from asclf.audio.truncation import find_fault
from asclf.errors import AudioError

logger = logging.getLogger(__name__)

BLOCK_FRAMES = 1 << 14
"""Frames to read at once; no more are lost where decoding fails."""


def stream_audio(path: Path, sample_rate: int) -> Iterator[NDArray[np.float32]]:
    """Decodes a file to blocks (S,) of what `load_audio` gives: mono at `sample_rate`, in [−1, 1].

    Raises:
        AudioError: The file is missing or empty, nothing of it can be decoded, or its samples are
            no finite numbers on the usual scale.
    """
    with open_stream(path, path) as stream:
        fault = find_fault(stream)
        if fault is not None:
            logger.warning("%s: the file is not whole: %s; what is there is used", path, fault)
        with open_sound(stream, path) as file:
            for block in resample_blocks(_mono_blocks(file, path), file.samplerate, sample_rate):
                yield np.clip(block, -1.0, 1.0)


def _mono_blocks(file: soundfile.SoundFile, path: Path) -> Iterator[NDArray[np.float32]]:
    """All blocks (S,) of a file at its own rate, up to its end or to where decoding fails."""
    frames = 0
    try:
        while len(block := file.read(BLOCK_FRAMES, dtype="float32", always_2d=True)):
            check_values(block, path)
            yield block.mean(axis=1, dtype=np.float32)  # (S,)
            frames += len(block)
    except soundfile.LibsndfileError as error:
        if not frames:
            raise undecodable(error, path) from error
        where_s = frames / file.samplerate
        logger.warning("%s: decoding fails after %.1f s; what is before is used", path, where_s)
        return
    if not frames:
        raise AudioError("it holds 0 samples", where=path, expected="at least one")
    if frames < file.frames < UNKNOWN_FRAMES and file.format != "MP3":
        logger.warning("%s: decoding ends after %d of %d samples", path, frames, file.frames)
