"""Whether one classifier is better than another: paired tests on clips that both have scored."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np

from asclf.errors import DataError
from asclf.score import multilabel
from asclf.score.intervals import Interval, bootstrap_mean, percentiles
from asclf.score.metrics import FloatArray
from asclf.score.scores import Scores

NAMES_SHOWN = 3


@dataclass(frozen=True, kw_only=True)
class Pair:
    """Two experiments on the same clips; differences are the second's figure minus the first's.

    Attributes:
        first: Name of the one.
        second: Name of the other.
        clips: Clips that both have scored.
        only_first: Of these, those that the first alone has right.
        only_second: Those that the second alone has right.
        difference: Of the accuracies.
        interval_95: Of that difference, by the paired cluster bootstrap.
        p: Of McNemar's exact test: how often a difference at least as large would come by chance
            from two classifiers that are equally good.
        p_adjusted: The same, allowing for the number of pairs that were tested (Holm).
        map_difference: Of the mean average precisions, where labels may be heard together.
        map_interval_95: Its interval.
    """

    first: str
    second: str
    clips: int
    only_first: int
    only_second: int
    difference: float
    interval_95: Interval
    p: float
    p_adjusted: float
    map_difference: float | None = None
    map_interval_95: Interval | None = None


def compare(experiments: Sequence[tuple[str, Scores]]) -> list[Pair]:
    """Tests every pair of experiments, in the order in which they are given.

    Raises:
        DataError: Two have scored other clips, or clips with other labels.
    """
    name, first = experiments[0]
    aligned = [(name, first)]
    aligned += [(other, align(scores, first, other, name)) for other, scores in experiments[1:]]
    pairs = [_pair(*one, *other) for one, other in combinations(aligned, 2)]
    return [
        replace(pair, p_adjusted=p)
        for pair, p in zip(pairs, holm([pair.p for pair in pairs]), strict=True)
    ]


def align(scores: Scores, like: Scores, name: str, like_name: str) -> Scores:
    """The same scores with their clips in the order of others.

    Raises:
        DataError: They are not of the same clips, labels and targets; says which are missing.
    """
    if scores.labels != like.labels or scores.activation != like.activation:
        raise DataError(f"its labels are not those of {like_name}", where=name)
    _check_none_missing(scores, like, name, like_name)
    _check_none_missing(like, scores, like_name, name)
    places = {clip_id: i for i, clip_id in enumerate(scores.clip_ids)}
    order = np.array([places[clip_id] for clip_id in like.clip_ids])  # (N,)
    changed = np.flatnonzero((scores.targets[order] != like.targets).any(axis=1))
    if changed.size:
        what = f"the clip {like.clip_ids[changed[0]]} has other labels than in {like_name}"
        raise DataError(what, where=name, hint="train and score both on the same manifest")
    return replace(like, folds=scores.folds[order], logits=scores.logits[order], views=scores.views)


def _check_none_missing(scores: Scores, like: Scores, name: str, like_name: str) -> None:
    known = set(scores.clip_ids)
    missing = [clip_id for clip_id in like.clip_ids if clip_id not in known]
    if missing:
        raise DataError(
            f"{len(missing)} clips are missing that {like_name} has scored: {_some(missing)}",
            where=name,
            expected="scores of the same clips",
            hint="score the same folds of both: asclf score EXP --folds",
        )


def _some(clips: Sequence[str]) -> str:
    return ", ".join(sorted(clips)[:NAMES_SHOWN]) + (", …" if len(clips) > NAMES_SHOWN else "")


def _pair(first: str, one: Scores, second: str, other: Scores) -> Pair:
    gained = other.correct.astype(np.float64) - one.correct.astype(np.float64)  # (N,)
    only_second, only_first = int((gained > 0).sum()), int((gained < 0).sum())
    p = mcnemar(only_first, only_second)
    pair = Pair(
        first=first,
        second=second,
        clips=len(gained),
        only_first=only_first,
        only_second=only_second,
        difference=float(gained.mean()),
        interval_95=bootstrap_mean(gained, one.sources),
        p=p,
        p_adjusted=p,
    )
    if not one.multi_label:
        return pair
    drawn = _drawn(other) - _drawn(one)
    precisions = [
        multilabel.mean_average_precision(each.targets, each.logits) for each in (one, other)
    ]
    return replace(
        pair, map_difference=precisions[1] - precisions[0], map_interval_95=percentiles(drawn)
    )


def _drawn(scores: Scores) -> FloatArray:
    return multilabel.drawn_mean_average_precisions(scores.targets, scores.logits, scores.sources)


def mcnemar(only_first: int, only_second: int) -> float:
    """The two-sided exact p-value of McNemar's test, from the clips that one alone has right.

    Under the null hypothesis each such clip falls to either with probability one half. Clips count
    as independent, those of one recording too; the bootstrapped interval allows for that.

    Source: McNemar 1947, "Note on the sampling error of the difference between correlated
    proportions or percentages", Psychometrika 12, 153–157; exact by the binomial distribution.
    """
    n, fewer = only_first + only_second, min(only_first, only_second)
    tail = sum(math.comb(n, k) for k in range(fewer + 1))
    return min(1.0, 2 * tail / (1 << n))


def holm(values: Sequence[float]) -> list[float]:
    """P-values adjusted for their number.

    Source: Holm 1979, "A simple sequentially rejective multiple test procedure", Scand. J. Stat. 6,
    65–70.
    """
    adjusted, largest = [0.0] * len(values), 0.0
    for rank, i in enumerate(sorted(range(len(values)), key=values.__getitem__)):
        largest = max(largest, (len(values) - rank) * values[i])
        adjusted[i] = min(1.0, largest)
    return adjusted
