"""Numbers from scores of labels that exclude one another; functions of numpy arrays, nothing else.

Targets and predictions are class indices (N,) int64; a confusion matrix is (C, C) int64 with the
true class in the rows and the predicted class in the columns.
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean, stdev

import numpy as np
from numpy.typing import NDArray

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]


def predicted_classes(logits: NDArray[np.float32]) -> IntArray:
    """The class of the largest logit of each clip, (N, C) → (N,); the first one where two tie."""
    return np.asarray(logits.argmax(axis=1), dtype=np.int64)


def mean_and_std(values: Sequence[float]) -> tuple[float, float | None]:
    """Mean and sample standard deviation (n − 1); a single value has no standard deviation."""
    return fmean(values), stdev(values) if len(values) > 1 else None


def confusion_matrix(targets: IntArray, predicted: IntArray, num_classes: int) -> IntArray:
    """Counts of (true class, predicted class), (N,) and (N,) → (C, C)."""
    flat = np.bincount(targets * num_classes + predicted, minlength=num_classes**2)
    return flat.reshape(num_classes, num_classes).astype(np.int64)  # (C, C)


def top_k_share(logits: NDArray[np.float32], targets: IntArray, k: int) -> float:
    """The share of clips whose class is among the k largest logits; a tie counts against them."""
    own = np.take_along_axis(logits, targets[:, np.newaxis], axis=1)  # (N, 1)
    return float(((logits >= own).sum(axis=1) <= k).mean())


def mean_of_known(values: FloatArray) -> float:
    """The mean of those that are not NaN; 0 where all are."""
    known = values[~np.isnan(values)]
    return float(known.mean()) if known.size else 0.0


def ratio(part: IntArray, whole: IntArray) -> FloatArray:
    """part / whole, element by element; NaN where the whole is 0."""
    shares = np.full(len(whole), np.nan)
    np.divide(part, whole, out=shares, where=whole > 0)
    return shares
