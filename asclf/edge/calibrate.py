"""Chooses the certainty below which a model answers `unknown`, and reports it on other clips.

Both kinds of clips, known and unknown, are parted in two halves by what they are cut from. One half
sets the threshold and the other reports, so no clip vouches for itself. Duplicates share a half.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import NormalDist

import numpy as np

from asclf.audio.io import load_audio
from asclf.bundle.activation import FloatArray
from asclf.bundle.prediction import Classifier, check_finite
from asclf.bundle.unknown import Method, UnknownReport, UnknownRule, certainty
from asclf.errors import AudioError, DataError
from asclf.files import sha256_of

logger = logging.getLogger(__name__)

LEAST_CLIPS = 5
"""Clips of a kind that a half needs; a share of fewer says nothing."""


@dataclass(frozen=True)
class Sound:
    """A stretch of a file; what is cut from one `source_id` is never parted."""

    path: Path
    start_s: float = 0.0
    duration_s: float | None = None
    source_id: str | None = None

    @property
    def half(self) -> int:
        """0 or 1, by the SHA-256 of its source's name, or of its file where that is not known."""
        source = self.source_id
        digest = hashlib.sha256(source.encode()).hexdigest() if source else sha256_of(self.path)
        return int(digest[:8], 16) % 2


@dataclass(frozen=True)
class Certainties:
    """How certain a model is of each clip of one kind, (N,), in its two halves."""

    chosen_on: FloatArray
    reported_on: FloatArray


@dataclass(frozen=True, kw_only=True)
class Aim:
    """What the threshold is to do: keep this share of known clips, or let pass this one of others.

    Attributes:
        keep: Share of known clips to keep.
        target_fpr: Share of unknown clips that may be kept; it goes before `keep`.
    """

    keep: float = 0.95
    target_fpr: float | None = None

    def __str__(self) -> str:
        if self.target_fpr is None:
            return f"keep {100 * self.keep:g} % of known clips"
        return f"keep at most {100 * self.target_fpr:g} % of unknown clips"

    def threshold(self, known: FloatArray, unknown: FloatArray) -> float:
        """The largest threshold that keeps enough known clips, or the smallest for the others."""
        if self.target_fpr is None:
            return threshold_keeping(known, self.keep)
        passed = int(self.target_fpr * len(unknown))
        return float(np.nextafter(np.sort(unknown)[::-1][passed], np.inf))


def measure_certainties(
    classifier: Classifier,
    sounds: Sequence[Sound],
    method: Method,
    *,
    on_clip: Callable[[int], None] = lambda _: None,
) -> Certainties:
    """Classifies clips; one that cannot be read is left out, and named in the log.

    Raises:
        DataError: Fewer than 5 are in a half, or logits are not finite.
    """
    halves: tuple[list[float], list[float]] = [], []
    for sound in sounds:
        try:
            halves[sound.half].append(_certainty(classifier, sound, method))
        except (AudioError, OSError) as error:
            logger.warning("%s; it is left out", error)
        on_clip(1)
    if min(map(len, halves)) < LEAST_CLIPS:
        raise DataError(
            f"parted by source there are {len(halves[0])} and {len(halves[1])} clips",
            where=sounds[0].path.parent if sounds else None,
            expected=f"at least {LEAST_CLIPS} in each half: one is calibrated on, one is reported",
            hint="give more recordings, of more sources",
        )
    return Certainties(*map(np.array, halves))


def calibrate(
    known: Certainties, unknown: Certainties, *, method: Method, aim: Aim | None = None
) -> UnknownRule:
    """Chooses the threshold on one half of the clips, and reports what it does to the other."""
    aim = aim or Aim()
    threshold = aim.threshold(known.chosen_on, unknown.chosen_on)
    return UnknownRule(
        method=method,
        threshold=threshold,
        chosen_by=str(aim),
        known=len(known.chosen_on),
        unknown=len(unknown.chosen_on),
        report=report(known.reported_on, unknown.reported_on, threshold),
    )


def report(known: FloatArray, unknown: FloatArray, threshold: float) -> UnknownReport:
    """What a threshold does to clips that had no part in choosing it."""
    return UnknownReport(
        known=len(known),
        known_kept=int(np.count_nonzero(known >= threshold)),
        unknown=len(unknown),
        unknown_kept=int(np.count_nonzero(unknown >= threshold)),
        auroc=auroc(known, unknown),
        auroc_95=auroc_interval(known, unknown),
        fpr_at_95=float(np.mean(unknown >= threshold_keeping(known, 0.95))),
    )


def threshold_keeping(known: FloatArray, share: float) -> float:
    """The largest threshold at or above which at least this share of the clips (N,) lies."""
    kept = max(1, int(np.ceil(share * len(known) - 1e-9)))  # 0.95 · 20 is a little above 19
    return float(np.sort(known)[::-1][kept - 1])


def auroc(known: FloatArray, unknown: FloatArray) -> float:
    """The share of pairs in which the known clip (N,) is above the unknown (M,), ties by half."""
    return float(_placements(known, unknown).mean())


def auroc_interval(
    known: FloatArray, unknown: FloatArray, level: float = 0.95
) -> tuple[float, float]:
    """The interval of the AUROC by its variance over clips of both kinds, cut at 0 and 1.

    DeLong, DeLong and Clarke-Pearson 1988, Comparing the areas under two or more correlated
    receiver operating characteristic curves, Biometrics 44, 837–845. Where the two kinds do not
    overlap at all the variance is 0, and the interval says too much.
    """
    placements = _placements(known, unknown), _placements(unknown, known)
    variance = sum(float(np.var(values, ddof=1)) / len(values) for values in placements)
    half = NormalDist().inv_cdf((1 + level) / 2) * variance**0.5
    area = auroc(known, unknown)
    return max(0.0, area - half), min(1.0, area + half)


def _placements(values: FloatArray, others: FloatArray) -> FloatArray:
    """For each of the values (N,), the share of the others (M,) below it, ties by half."""
    ordered = np.sort(others)
    below = np.searchsorted(ordered, values, "left") + np.searchsorted(ordered, values, "right")
    return np.asarray(below / (2 * len(others)))


def _certainty(classifier: Classifier, sound: Sound, method: Method) -> float:
    waveform = load_audio(
        sound.path,
        classifier.sample_rate,
        start_s=sound.start_s,
        duration_s=sound.duration_s,
    )
    logits = classifier.batch_logits(waveform[np.newaxis])[0]  # (C,)
    check_finite(logits, str(sound.path))
    return float(certainty(logits, classifier.activation, method))
