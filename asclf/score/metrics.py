"""Numbers from scores: counts, intervals, confusion, F1; functions of numpy arrays, nothing else.

Targets and predictions are class indices (N,) int64; a confusion matrix is (C, C) int64 with the
true class in the rows and the predicted class in the columns.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist, fmean, stdev

import numpy as np
from numpy.typing import NDArray

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]


def predicted_classes(logits: NDArray[np.float32]) -> IntArray:
    """The class of the largest logit of each clip, (N, C) → (N,); the first one where two tie."""
    return np.asarray(logits.argmax(axis=1), dtype=np.int64)


def wilson_interval(correct: int, clips: int, level: float = 0.95) -> tuple[float, float]:
    """The score interval of a proportion: all p that a two-sided normal test does not reject.

    It stays inside [0, 1] and is never empty, at 0 or n correct as well. Clips count as
    independent; those cut from one recording are not quite, so the true interval is a little wider.

    Source: Wilson 1927, "Probable inference, the law of succession, and statistical inference",
    J. Am. Stat. Assoc. 22, 209–212; as recommended for small n by Brown, Cai and DasGupta 2001,
    "Interval estimation for a binomial proportion", Stat. Sci. 16, equation 4.
    """
    if clips == 0:
        return 0.0, 1.0
    z = NormalDist().inv_cdf((1 + level) / 2)
    share = correct / clips
    centre = (share + z * z / (2 * clips)) / (1 + z * z / clips)
    spread = math.sqrt(share * (1 - share) / clips + (z / (2 * clips)) ** 2)
    half = z * spread / (1 + z * z / clips)
    low = centre - half if correct > 0 else 0.0  # the bounds meet the ends exactly,
    high = centre + half if correct < clips else 1.0  # rounding apart
    return low, high


def mean_and_std(values: Sequence[float]) -> tuple[float, float | None]:
    """Mean and sample standard deviation (n − 1); a single value has no standard deviation."""
    return fmean(values), stdev(values) if len(values) > 1 else None


def confusion_matrix(targets: IntArray, predicted: IntArray, num_classes: int) -> IntArray:
    """Counts of (true class, predicted class), (N,) and (N,) → (C, C)."""
    flat = np.bincount(targets * num_classes + predicted, minlength=num_classes**2)
    return flat.reshape(num_classes, num_classes).astype(np.int64)  # (C, C)


def class_accuracies(confusion: IntArray) -> FloatArray:
    """The share of each class's clips that are recognised, (C, C) → (C,); NaN without a clip."""
    return _ratio(confusion.diagonal(), confusion.sum(axis=1))


def macro_f1(confusion: IntArray) -> float:
    """The mean F1 = 2 TP / (2 TP + FP + FN) of the classes that occur or are predicted."""
    seen = confusion.sum(axis=0) + confusion.sum(axis=1)  # 2 TP + FP + FN
    scores = _ratio(2 * confusion.diagonal(), seen)
    return float(scores[seen > 0].mean()) if seen.any() else 0.0


def _ratio(part: IntArray, whole: IntArray) -> FloatArray:
    ratio = np.full(len(whole), np.nan)
    np.divide(part, whole, out=ratio, where=whole > 0)
    return ratio
