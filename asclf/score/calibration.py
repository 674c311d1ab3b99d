"""Whether a score of 0.8 is right in 8 of 10 cases, and the temperature that would make it so."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic.dataclasses import dataclass

from asclf.bundle.activation import activate
from asclf.config.component import STRICT
from asclf.score.metrics import BoolArray, FloatArray
from asclf.score.scores import Scores

NUM_BINS = 15
HOTTEST, ROUNDS = 20.0, 60


@dataclass(frozen=True, kw_only=True, config=STRICT)
class Bin:
    """Cases whose score lies in [low, high), or in the last bin [low, 1]; none is left out."""

    low: float
    high: float
    cases: int
    score: float
    """Their mean score."""
    hits: int
    """How many of them were right."""

    @property
    def share(self) -> float:
        """The share of them that were right."""
        return self.hits / self.cases


@dataclass(frozen=True, kw_only=True, config=STRICT)
class Calibration:
    """How far scores are from the share of right answers."""

    ece: float
    """Expected calibration error: the mean distance of a bin's score from its share of hits."""
    bins: tuple[Bin, ...]
    """Those with a case."""
    temperatures: tuple[float, ...] = ()
    """By which the logits of each run would be divided, fitted on its validation clips; none where
    it has no such clips."""
    ece_at_temperatures: float | None = None
    """The error of the scores of logits so divided."""


def calibration(scores: Scores, temperatures: Mapping[int, float]) -> Calibration:
    """Measures the calibration of all clips pooled.

    A case is a clip with the score of the class that was chosen, right or wrong. Where labels may
    be heard together, each class of each clip is a case, right where the label is there.

    Source: Guo et al. 2017, "On calibration of modern neural networks", ICML (arXiv:1706.04599),
    equation 3, with its 15 bins of equal width.

    Args:
        scores: Of all clips.
        temperatures: Of the run that left each fold out; empty where none is fitted.
    """
    bins = reliability(*_cases(scores, scores.logits))
    if not temperatures:
        return Calibration(ece=expected_error(bins), bins=bins)
    of_clips = np.array([temperatures[fold] for fold in scores.folds.tolist()])  # (N,)
    divided = scores.logits / of_clips[:, np.newaxis]
    return Calibration(
        ece=expected_error(bins),
        bins=bins,
        temperatures=tuple(temperatures.values()),
        ece_at_temperatures=expected_error(reliability(*_cases(scores, divided))),
    )


def _cases(scores: Scores, logits: NDArray[np.floating[Any]]) -> tuple[FloatArray, BoolArray]:
    """The score of every case, and whether it was right, (M,) and (M,)."""
    given = activate(logits, scores.activation)
    if scores.multi_label:
        return given.ravel(), scores.targets.ravel()
    return given.max(axis=1), scores.correct


def reliability(given: FloatArray, hits: BoolArray) -> tuple[Bin, ...]:
    """Sorts cases into bins of equal width by score, (M,) and (M,); empty bins are left out."""
    places = np.minimum((given * NUM_BINS).astype(np.int64), NUM_BINS - 1)
    inside = [places == i for i in range(NUM_BINS)]
    return tuple(
        Bin(
            low=i / NUM_BINS,
            high=(i + 1) / NUM_BINS,
            cases=int(here.sum()),
            score=float(given[here].mean()),
            hits=int(hits[here].sum()),
        )
        for i, here in enumerate(inside)
        if here.any()
    )


def expected_error(bins: Sequence[Bin]) -> float:
    """The mean over cases of |share of hits − score| of their bin."""
    apart = sum(abs(each.hits - each.cases * each.score) for each in bins)
    return apart / sum(each.cases for each in bins)


def fit_temperature(scores: Scores) -> float:
    """The temperature in [1/20, 20] at which the log likelihood of the true labels is largest.

    It is convex in 1 / T, so that a golden-section search finds it. Source: Guo et al. 2017,
    section 4.2; it changes no decision.
    """
    logits = scores.logits.astype(np.float64)

    def loss(log_temperature: float) -> float:
        return _negative_log_likelihood(logits / math.exp(log_temperature), scores)

    return math.exp(_minimum(loss, -math.log(HOTTEST), math.log(HOTTEST)))


def _negative_log_likelihood(logits: FloatArray, scores: Scores) -> float:
    if scores.multi_label:
        return float(np.logaddexp(0, np.where(scores.targets, -logits, logits)).mean())
    own = logits[scores.targets]  # (N,)
    return float((np.logaddexp.reduce(logits, axis=1) - own).mean())


def _minimum(function: Callable[[float], float], low: float, high: float) -> float:
    """Where a function with one valley is least, by golden-section search."""
    golden = (math.sqrt(5) - 1) / 2
    for _ in range(ROUNDS):
        step = golden * (high - low)
        left, right = high - step, low + step
        if function(left) <= function(right):
            high = right
        else:
            low = left
    return (low + high) / 2
