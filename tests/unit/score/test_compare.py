from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from asclf.data.labels import LabelMap
from asclf.errors import DataError
from asclf.score.compare import compare, holm, mcnemar
from asclf.score.scores import Scores, one_hot


def scores_with(correct: list[int], sources: list[str] | None = None) -> Scores:
    """Clips of class 0, of which some are right."""
    clips = len(correct)
    return Scores(
        tuple(f"clip{i}" for i in range(clips)),
        np.ones(clips, np.int64),
        one_hot(np.zeros(clips, np.int64), 2),
        np.array([[1, 0] if right else [0, 1] for right in correct], np.float32),
        LabelMap(("a", "b")),
        source_ids=tuple(sources or ()),
    )


def test_mcnemar_by_the_binomial_distribution() -> None:
    assert mcnemar(1, 9) == pytest.approx(2 * (1 + 10) / 2**10)
    assert mcnemar(9, 1) == mcnemar(1, 9)
    assert mcnemar(5, 5) == 1.0
    assert mcnemar(0, 0) == 1.0
    assert mcnemar(500, 800) < 1e-15


def test_holm_by_hand() -> None:
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.6, 0.7]) == [1.0, 1.0]


def test_a_pair_is_compared_clip_by_clip() -> None:
    one, other = scores_with([1, 1, 0, 0, 0, 1]), scores_with([1, 0, 1, 1, 1, 1])
    (pair,) = compare([("x", one), ("y", other)])
    assert (pair.first, pair.second, pair.clips) == ("x", "y", 6)
    assert (pair.only_first, pair.only_second) == (1, 3)
    assert pair.difference == pytest.approx(2 / 6)
    assert pair.interval_95[0] < pair.difference < pair.interval_95[1]
    assert pair.p == pair.p_adjusted == mcnemar(1, 3)


def test_the_order_of_clips_does_not_matter() -> None:
    one, other = scores_with([1, 1, 0, 0]), scores_with([0, 1, 1, 1])
    shuffled = replace(
        other,
        clip_ids=other.clip_ids[::-1],
        folds=other.folds[::-1],
        targets=other.targets[::-1],
        logits=other.logits[::-1],
    )
    assert compare([("x", one), ("y", shuffled)]) == compare([("x", one), ("y", other)])


def test_clips_of_one_recording_widen_the_interval() -> None:
    one, other = ([0] * 8 + [1] * 8) * 5, [1] * 80
    alone = compare([("x", scores_with(one)), ("y", scores_with(other))])[0]
    sources = [f"recording{i // 8}" for i in range(80)]
    grouped = compare([("x", scores_with(one, sources)), ("y", scores_with(other, sources))])[0]
    assert grouped.p == alone.p
    widths = [pair.interval_95[1] - pair.interval_95[0] for pair in (alone, grouped)]
    assert widths[1] > widths[0]


def test_three_experiments_make_three_pairs_and_p_allows_for_them() -> None:
    parts = [("x", scores_with([0] * 8)), ("y", scores_with([1] * 8)), ("z", scores_with([1] * 8))]
    pairs = compare(parts)
    assert [(pair.first, pair.second) for pair in pairs] == [("x", "y"), ("x", "z"), ("y", "z")]
    assert [pair.p_adjusted for pair in pairs] == pytest.approx([3 * 2 / 2**8, 3 * 2 / 2**8, 1.0])


def test_other_clips_are_refused_and_named() -> None:
    one, other = scores_with([1] * 6), scores_with([1] * 2)
    with pytest.raises(
        DataError, match="y: 4 clips are missing that x has scored: clip2, clip3, cl"
    ):
        compare([("x", one), ("y", other)])
    with pytest.raises(DataError, match="x: 4 clips are missing that y has scored"):
        compare([("x", other), ("y", one)])


def test_the_same_clips_with_other_labels_are_refused() -> None:
    one = scores_with([1, 1])
    with pytest.raises(DataError, match="y: its labels are not those of x"):
        compare([("x", one), ("y", replace(one, labels=LabelMap(("a", "c"))))])
    with pytest.raises(DataError, match="y: the clip clip0 has other labels than in x"):
        compare([("x", one), ("y", replace(one, targets=one.targets[:, ::-1]))])


def test_of_several_labels_the_average_precision_is_compared_as_well() -> None:
    rng = np.random.default_rng(0)
    targets = rng.random((40, 2)) < 0.4
    good, bad = (
        replace(
            scores_with([1] * 40),
            targets=targets,
            logits=(targets + rng.normal(0, noise, (40, 2)) - 0.5).astype(np.float32),
            activation="sigmoid",
        )
        for noise in (0.1, 2.0)
    )
    (pair,) = compare([("bad", bad), ("good", good)])
    assert pair.map_difference is not None
    assert pair.map_interval_95 is not None
    assert 0 < pair.map_interval_95[0] < pair.map_difference < pair.map_interval_95[1]
