"""Golden vectors: clips with their right feats and logits, so that any runtime can check itself."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from asclf.errors import BundleError

FEATS_TOLERANCE = 1e-2
"""Largest difference of feats between machines, which add and transform in other orders."""
LOGITS_TOLERANCE = 1e-3
"""Largest difference of logits on the same feats, absolute and relative."""

Array = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Golden:
    """One clip and what comes out of it.

    Attributes:
        waveform: (S,) in [−1, 1], at the model's sample rate.
        feats: (T, F).
        logits: (C,) of the trained network on these feats.
    """

    waveform: Array
    feats: Array
    logits: Array

    def check(self, feats: Array, logits: Array, where: object) -> None:
        """Compares another runtime's feats and logits with these.

        Args:
            feats: (T, F) that it computed from `waveform`.
            logits: (C,) that it computed from the golden feats.
            where: What to name in the error.

        Raises:
            BundleError: They differ by more than the tolerances above.
        """
        _compare("feats", feats, self.feats, where, absolute=FEATS_TOLERANCE)
        both = LOGITS_TOLERANCE
        _compare("logits", logits, self.logits, where, absolute=both, relative=both)


def _compare(
    what: str,
    got: Array,
    expected: Array,
    where: object,
    *,
    absolute: float,
    relative: float = 0.0,
) -> None:
    same = got.shape == expected.shape
    if same and np.allclose(got, expected, rtol=relative, atol=absolute):
        return
    error = f"by {np.abs(got - expected).max():.2g}" if same else f"in shape: {got.shape}"
    raise BundleError(
        f"the {what} differ from the golden ones {error}",
        where=where,
        expected=f"{expected.shape} within {absolute:g} + {relative:g}·|x|",
        hint="this runtime does not give what training gave; do not use it for this bundle",
    )


def golden_waveforms(sample_rate: int) -> dict[str, Array]:
    """The golden clips by name: noise, a sweep, clicks, silence, and less than one frame."""
    silence = np.zeros(sample_rate // 2, np.float32)
    clicks = silence.copy()
    clicks[:: sample_rate // 10] = 0.9
    return {
        "noise": noise(sample_rate, seed=0),
        "sweep": sweep(sample_rate, sample_rate),
        "clicks": clicks,
        "silence": silence,
        "short": noise(sample_rate // 100, seed=1),
    }


def noise(samples: int, seed: int, amplitude: float = 0.1) -> Array:
    """White noise (S,), uniform in [−amplitude, amplitude], the same on every machine."""
    draws = np.random.default_rng(seed).random(samples)
    return (amplitude * (2 * draws - 1)).astype(np.float32)


def sweep(samples: int, sample_rate: int, amplitude: float = 0.5) -> Array:
    """A sine (S,) whose frequency rises evenly from 0 to 45 % of the sample rate."""
    time_s = np.arange(samples) / sample_rate
    slope_hz_per_s = 0.45 * sample_rate / (samples / sample_rate)
    return (amplitude * np.sin(np.pi * slope_hz_per_s * time_s**2)).astype(np.float32)


def save_golden(path: Path, goldens: Mapping[str, Golden]) -> None:
    """Writes golden clips as one `.npz`, its arrays named `CLIP.waveform` and so on."""
    arrays: dict[str, Any] = {
        f"{name}.{part}": getattr(golden, part)
        for name, golden in goldens.items()
        for part in ("waveform", "feats", "logits")
    }
    np.savez_compressed(path, **arrays)


def load_golden(path: Path) -> dict[str, Golden]:
    """Reads what `save_golden` wrote; nothing is unpickled.

    Raises:
        BundleError: The file is missing or not such a file.
    """
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            names = dict.fromkeys(key.rpartition(".")[0] for key in arrays)
            return {name: _golden(arrays, name) for name in names}
    except (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise BundleError(
            f"the golden vectors cannot be read: {error}", where=path, hint="export it again"
        ) from error


def _golden(arrays: Mapping[str, Array], name: str) -> Golden:
    return Golden(*(arrays[f"{name}.{part}"] for part in ("waveform", "feats", "logits")))
