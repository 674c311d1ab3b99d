"""What is worth knowing of a recording before training on it.

A file is decoded once, block by block, so memory does not grow with its length; of what is decoded
only numbers and a fingerprint stay.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from asclf.audio.io import decode_blocks, probe
from asclf.audio.resample import resample_blocks
from asclf.data.fingerprint import SAMPLE_RATE, Fingerprint, fingerprint
from asclf.errors import AudioError
from asclf.files import sha256_of

SILENCE_DB = -60.0
"""Peak in dB below full scale under which a stretch, or a whole recording, is silence."""
STRETCH_S = 0.1
FULL_SCALE = 0.999
"""Samples from here on are at full scale, where the recorder clips what is louder."""
CLIPPED_RUN = 3
"""So many samples at full scale in a row are no chance."""


@dataclass(frozen=True, eq=False)
class Recording:
    """What was found in a file that can be decoded.

    Attributes:
        path: The file.
        format: Container and encoding, in libsndfile's words.
        duration_s: Length of what was decoded.
        sample_rate: In Hz.
        channels: Number of channels.
        peak_db: Largest sample, in dB below full scale; −200 where all are 0.
        silent: Share of its stretches of 0.1 s in which no sample is above −60 dB.
        clipped: Share of samples in runs at full scale.
        sha256: Of the file.
        fingerprint: See `asclf.data.fingerprint`.
    """

    path: Path
    format: str
    duration_s: float
    sample_rate: int
    channels: int
    peak_db: float
    silent: float
    clipped: float
    sha256: str
    fingerprint: Fingerprint

    @property
    def is_silent(self) -> bool:
        """Whether there is nothing to be heard."""
        return self.peak_db < SILENCE_DB


@dataclass(frozen=True)
class Unreadable:
    """A file that cannot be used, and why."""

    path: Path
    reason: str


def inspect_recording(path: Path) -> Recording | Unreadable:
    """Decodes a file and measures it."""
    try:
        str(path).encode("utf-8")  # a manifest could not name it
        info = probe(path)
        meter = _Meter(info.sample_rate)
        mono = (meter.take(block) for block in decode_blocks(path))
        print_ = fingerprint(resample_blocks(mono, info.sample_rate, SAMPLE_RATE))
        digest = sha256_of(path)
    except UnicodeEncodeError:
        return Unreadable(path, "its name is no UTF-8; rename it")
    except AudioError as error:
        return Unreadable(path, error.what)
    except OSError as error:
        return Unreadable(path, f"cannot be read: {(error.strerror or str(error)).lower()}")
    return Recording(
        path=path,
        format=f"{info.format} {info.subtype}",
        duration_s=meter.frames / info.sample_rate,
        sample_rate=info.sample_rate,
        channels=info.channels,
        peak_db=meter.peak_db,
        silent=meter.silent,
        clipped=meter.clipped,
        sha256=digest,
        fingerprint=print_,
    )


class _Meter:
    """Measures a recording while its blocks pass by.

    Args:
        sample_rate: In Hz.
    """

    def __init__(self, sample_rate: int) -> None:
        self._stretch = max(1, round(STRETCH_S * sample_rate))
        self._peak = 0.0
        self._stretches = self._silent = 0
        self._samples = self._clipped = 0
        self.frames = 0

    def take(self, block: NDArray[np.float32]) -> NDArray[np.float32]:
        """Measures a block (S, channels) and returns it as mono (S,), clipped to [−1, 1]."""
        size = np.abs(block)
        loudest = size.max(axis=1)  # (S,)
        edges = np.arange(0, len(block), self._stretch)
        peaks = np.maximum.reduceat(loudest, edges)
        self._peak = max(self._peak, float(loudest.max()))
        self._stretches += len(peaks)
        self._silent += int(np.count_nonzero(peaks < 10 ** (SILENCE_DB / 20)))
        self._samples += block.size
        self._clipped += sum(map(_count_clipped, size.T))
        self.frames += len(block)
        mono: NDArray[np.float32] = np.clip(block.mean(axis=1, dtype=np.float32), -1.0, 1.0)
        return mono

    @property
    def peak_db(self) -> float:
        return float(20 * np.log10(self._peak + 1e-10))

    @property
    def silent(self) -> float:
        return self._silent / self._stretches

    @property
    def clipped(self) -> float:
        return self._clipped / self._samples


def _count_clipped(size: NDArray[np.float32]) -> int:
    """How many samples (S,) of one channel stand in a run at full scale."""
    full = np.concatenate([[False], size >= FULL_SCALE, [False]])
    edges = np.flatnonzero(full[1:] != full[:-1])
    runs = edges[1::2] - edges[::2]
    return int(runs[runs >= CLIPPED_RUN].sum())
