from __future__ import annotations

import numpy as np
import pytest

from asclf.score.multilabel import (
    average_precisions,
    class_f1,
    drawn_mean_average_precisions,
    mean_average_precision,
    micro_f1,
)


def some_scores(clips: int = 60, classes: int = 4) -> tuple[np.ndarray, np.ndarray]:
    """Labels and scores that have something to do with them; many scores tie."""
    rng = np.random.default_rng(0)
    targets = rng.random((clips, classes)) < 0.3
    return targets, np.round(targets + rng.normal(0, 1, targets.shape), 1).astype(np.float32)


def test_average_precision_by_hand() -> None:
    targets = np.array([[1, 1, 0], [0, 1, 0], [1, 0, 0], [0, 0, 0]], bool)
    scores = np.array([[0.9, 1, 0], [0.8, 1, 0], [0.7, 1, 0], [0.1, 1, 0]])
    found = average_precisions(targets, scores)
    assert found[0] == pytest.approx(0.5 * 1 + 0.5 * 2 / 3)
    assert found[1] == pytest.approx(0.5)  # all tie: as good as guessing
    assert np.isnan(found[2])
    assert mean_average_precision(targets, scores) == pytest.approx((5 / 6 + 1 / 2) / 2)


def test_average_precision_and_f1_equal_those_of_scikit_learn() -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    targets, scores = some_scores()
    expected = metrics.average_precision_score(targets, scores, average="macro")
    assert mean_average_precision(targets, scores) == pytest.approx(expected, abs=1e-12)
    each = metrics.average_precision_score(targets, scores, average=None)
    np.testing.assert_allclose(average_precisions(targets, scores), each, atol=1e-12)
    decisions = scores >= 0.5
    assert micro_f1(targets, decisions) == metrics.f1_score(targets, decisions, average="micro")
    np.testing.assert_allclose(
        class_f1(targets, decisions), metrics.f1_score(targets, decisions, average=None)
    )


def test_order_alone_counts() -> None:
    targets, scores = some_scores()
    assert mean_average_precision(targets, np.exp(scores)) == mean_average_precision(
        targets, scores
    )
    assert mean_average_precision(targets, targets.astype(float)) == 1.0


def test_a_clip_that_is_drawn_twice_counts_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    targets, scores = some_scores(clips=12)
    times = np.random.default_rng(5).integers(0, 3, size=(3, 6))  # of 6 sources of 2 clips each
    sources = np.arange(12) // 2
    monkeypatch.setattr("asclf.score.multilabel.draw_clusters", lambda *_, **__: iter([times]))
    drawn = drawn_mean_average_precisions(targets, scores, sources)
    expected = [
        mean_average_precision(
            *(np.repeat(each, row[sources], axis=0) for each in (targets, scores))
        )
        for row in times
    ]
    np.testing.assert_allclose(drawn, expected, atol=1e-12)


def test_resamples_lie_around_the_figure_and_are_paired() -> None:
    targets, scores = some_scores()
    sources = np.arange(60) // 3
    drawn = drawn_mean_average_precisions(targets, scores, sources, draws=200)
    assert drawn.shape == (200,)
    assert drawn.min() < mean_average_precision(targets, scores) < drawn.max()
    again = drawn_mean_average_precisions(targets, 2 * scores, sources, draws=200)
    np.testing.assert_array_equal(drawn, again)


def test_f1_by_hand_and_without_a_label() -> None:
    targets = np.array([[1, 0, 0], [1, 1, 0]], bool)
    decisions = np.array([[1, 1, 0], [0, 1, 0]], bool)
    np.testing.assert_allclose(class_f1(targets, decisions), [2 / 3, 2 / 3, np.nan])
    assert micro_f1(targets, decisions) == pytest.approx(4 / 6)
    assert micro_f1(np.zeros((2, 3), bool), np.zeros((2, 3), bool)) == 0.0
