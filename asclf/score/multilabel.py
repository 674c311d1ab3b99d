"""Numbers from scores of labels that may be heard together: average precision, and F1 at 0.5.

Targets and decisions are (N, C) bool; scores (N, C) are in any unit, as long as more is surer.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from asclf.score.intervals import DRAWS, SEED, draw_clusters
from asclf.score.metrics import BoolArray, FloatArray, IntArray, mean_of_known, ratio

DRAWN_TOGETHER = 250
"""Draws whose average precisions are computed at once, so that memory stays bounded."""


def average_precisions(targets: BoolArray, scores: NDArray[np.floating[Any]]) -> FloatArray:
    """The average precision of each class, (N, C) and (N, C) → (C,); NaN without a clip.

    Σ (R_k − R_{k−1}) P_k over the distinct scores from above: no interpolation, and clips that tie
    are taken together, so that their order says nothing.
    """
    once = np.ones((1, len(targets)), np.int64)
    (found,) = _average_precisions(targets, scores, once)
    return np.asarray(found)


def mean_average_precision(targets: BoolArray, scores: NDArray[np.floating[Any]]) -> float:
    """The mean over classes that have a clip (macro average); 0 where none has."""
    return mean_of_known(average_precisions(targets, scores))


def drawn_mean_average_precisions(
    targets: BoolArray,
    scores: NDArray[np.floating[Any]],
    clusters: IntArray,
    *,
    draws: int = DRAWS,
    seed: int = SEED,
) -> FloatArray:
    """The mean average precision of each of D resamples, whole clusters being drawn → (D,).

    A class without a clip in a resample is left out of its mean. With equal clusters and seed the
    resamples of two classifiers are the same, so that their difference is a paired one.
    """
    num_clusters = int(clusters.max()) + 1
    means: list[float] = []
    for drawn in draw_clusters(num_clusters, draws=draws, seed=seed):
        for start in range(0, len(drawn), DRAWN_TOGETHER):
            times = drawn[start : start + DRAWN_TOGETHER, clusters]  # (D, N)
            of_classes = _average_precisions(targets, scores, times)  # (D, C)
            means += [mean_of_known(row) for row in of_classes]
    return np.array(means)


def _average_precisions(
    targets: BoolArray, scores: NDArray[np.floating[Any]], times: IntArray
) -> FloatArray:
    """The same with each clip counted as often as `times` (D, N) says → (D, C)."""
    columns = [_of_class(targets[:, c], scores[:, c], times) for c in range(targets.shape[1])]
    return np.stack(columns, axis=1)


def _of_class(targets: BoolArray, scores: NDArray[np.floating[Any]], times: IntArray) -> FloatArray:
    order = np.argsort(-scores, kind="stable")
    last_of_tie = np.flatnonzero(np.diff(scores[order], append=-np.inf))
    ranked = times[:, order]
    taken = np.cumsum(ranked, axis=1)[:, last_of_tie]
    found = np.cumsum(ranked * targets[order], axis=1)[:, last_of_tie]
    precision = found / np.maximum(taken, 1)
    gained = np.diff(found, axis=1, prepend=0)
    return ratio((precision * gained).sum(axis=1), found[:, -1])


def class_f1(targets: BoolArray, decisions: BoolArray) -> FloatArray:
    """F1 = 2 TP / (2 TP + FP + FN), (N, C) → (C,); NaN where a label is neither there nor given."""
    hits = (targets & decisions).sum(axis=0)
    return ratio(2 * hits, targets.sum(axis=0) + decisions.sum(axis=0))


def micro_f1(targets: BoolArray, decisions: BoolArray) -> float:
    """F1 of all decisions about all classes, each counting once; 0 where there is no label."""
    seen = int(targets.sum()) + int(decisions.sum())
    return 2 * int((targets & decisions).sum()) / seen if seen else 0.0
