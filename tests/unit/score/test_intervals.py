from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asclf.score import intervals
from asclf.score.intervals import bootstrap_mean, draw_clusters, wilson_interval

Z = 1.959963984540054  # the 97.5 % point of the normal distribution, from any table


def bound_by_inverting_the_score_test(correct: int, clips: int, *, upper: bool) -> float:
    """Bisects for the p whose normal test, with the standard error at p itself, just rejects."""
    share = correct / clips
    inside, outside = share, 1.0 if upper else 0.0
    for _ in range(200):
        p = (inside + outside) / 2
        rejected = abs(share - p) > Z * math.sqrt(p * (1 - p) / clips)
        inside, outside = (inside, p) if rejected else (p, outside)
    return inside


@pytest.mark.parametrize(
    ("correct", "clips"), [(38, 40), (39, 40), (183, 200), (67, 80), (1830, 2000), (1, 2)]
)
def test_wilson_interval_inverts_the_score_test(correct: int, clips: int) -> None:
    low, high = wilson_interval(correct, clips)
    assert low == pytest.approx(
        bound_by_inverting_the_score_test(correct, clips, upper=False), abs=1e-9
    )
    assert high == pytest.approx(
        bound_by_inverting_the_score_test(correct, clips, upper=True), abs=1e-9
    )


def test_wilson_interval_of_esc50_figures_overlaps() -> None:
    lower, upper = wilson_interval(183, 200), wilson_interval(191, 200)
    assert [round(100 * bound, 1) for bound in (*lower, *upper)] == [86.8, 94.6, 91.7, 97.6]
    assert upper[0] < lower[1]


def test_wilson_interval_at_the_ends_has_its_closed_form() -> None:
    assert wilson_interval(0, 10) == pytest.approx((0.0, Z * Z / (10 + Z * Z)))
    assert wilson_interval(10, 10) == pytest.approx((10 / (10 + Z * Z), 1.0))
    assert wilson_interval(0, 0) == (0.0, 1.0)


@given(st.integers(1, 5000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_interval_holds_the_share_and_mirrors(case: tuple[int, int]) -> None:
    correct, clips = case
    low, high = wilson_interval(correct, clips)
    assert 0 <= low <= correct / clips <= high <= 1
    assert wilson_interval(clips - correct, clips) == pytest.approx((1 - high, 1 - low))


def test_wider_level_gives_wider_interval() -> None:
    narrow, wide = wilson_interval(30, 40, 0.9), wilson_interval(30, 40, 0.99)
    assert wide[0] < narrow[0] < narrow[1] < wide[1]


def test_every_draw_has_as_many_clusters_as_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intervals, "BLOCK", 70)
    blocks = list(draw_clusters(7, draws=25))
    assert [block.shape for block in blocks] == [(10, 7), (10, 7), (5, 7)]
    assert all((block.sum(axis=1) == 7).all() for block in blocks)
    assert not (blocks[0] == blocks[1]).all()


def test_bootstrap_of_single_clips_agrees_with_the_normal_interval() -> None:
    values = np.random.default_rng(1).normal(0.3, 1, 400)
    low, high = bootstrap_mean(values, np.arange(400))
    half = Z * values.std() / 20
    assert low == pytest.approx(values.mean() - half, abs=0.01)
    assert high == pytest.approx(values.mean() + half, abs=0.01)


def test_copies_of_a_clip_in_its_cluster_say_nothing_new() -> None:
    values = (np.random.default_rng(2).random(50) < 0.8).astype(float)
    alone = bootstrap_mean(values, np.arange(50))
    assert bootstrap_mean(np.repeat(values, 4), np.repeat(np.arange(50), 4)) == alone
    low, high = bootstrap_mean(np.repeat(values, 4), np.arange(200))  # as if they were independent
    assert (high - low) == pytest.approx((alone[1] - alone[0]) / 2, rel=0.15)


def test_clusters_of_unequal_size_weigh_by_their_clips() -> None:
    values, clusters = np.array([1.0, 1, 1, 0]), np.array([0, 0, 0, 1])
    assert bootstrap_mean(values, clusters) == (0.0, 1.0)
    middle = [(drawn @ [3, 0]) / (drawn @ [3, 1]) for drawn in draw_clusters(2, draws=100, seed=3)]
    assert set(np.concatenate(middle)) == {0.0, 0.75, 1.0}


def test_the_interval_is_the_same_each_time_and_another_with_another_seed() -> None:
    values, clusters = np.random.default_rng(0).random(60), np.arange(60) // 3
    assert bootstrap_mean(values, clusters) == bootstrap_mean(values, clusters)
    assert bootstrap_mean(values, clusters, seed=1) != bootstrap_mean(values, clusters)
