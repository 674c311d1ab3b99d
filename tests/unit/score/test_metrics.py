from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asclf.score import metrics

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
    low, high = metrics.wilson_interval(correct, clips)
    assert low == pytest.approx(
        bound_by_inverting_the_score_test(correct, clips, upper=False), abs=1e-9
    )
    assert high == pytest.approx(
        bound_by_inverting_the_score_test(correct, clips, upper=True), abs=1e-9
    )


def test_wilson_interval_of_esc50_figures_overlaps() -> None:
    lower, upper = metrics.wilson_interval(183, 200), metrics.wilson_interval(191, 200)
    assert [round(100 * bound, 1) for bound in (*lower, *upper)] == [86.8, 94.6, 91.7, 97.6]
    assert upper[0] < lower[1]


def test_wilson_interval_at_the_ends_has_its_closed_form() -> None:
    assert metrics.wilson_interval(0, 10) == pytest.approx((0.0, Z * Z / (10 + Z * Z)))
    assert metrics.wilson_interval(10, 10) == pytest.approx((10 / (10 + Z * Z), 1.0))
    assert metrics.wilson_interval(0, 0) == (0.0, 1.0)


@given(st.integers(1, 5000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_interval_holds_the_share_and_mirrors(case: tuple[int, int]) -> None:
    correct, clips = case
    low, high = metrics.wilson_interval(correct, clips)
    assert 0 <= low <= correct / clips <= high <= 1
    assert metrics.wilson_interval(clips - correct, clips) == pytest.approx((1 - high, 1 - low))


def test_wider_level_gives_wider_interval() -> None:
    narrow, wide = metrics.wilson_interval(30, 40, 0.9), metrics.wilson_interval(30, 40, 0.99)
    assert wide[0] < narrow[0] < narrow[1] < wide[1]


def test_mean_and_sample_std() -> None:
    assert metrics.mean_and_std([0.8, 0.9, 1.0]) == pytest.approx((0.9, 0.1))
    assert metrics.mean_and_std([0.8]) == (0.8, None)


def test_predicted_class_is_the_largest_logit_and_the_first_of_equals() -> None:
    logits = np.array([[0.1, 0.3, 0.2], [1.0, 0.0, 1.0]], dtype=np.float32)
    assert metrics.predicted_classes(logits).tolist() == [1, 0]


def test_confusion_has_true_classes_in_rows() -> None:
    targets, predicted = np.array([0, 0, 0, 2]), np.array([0, 1, 1, 2])
    assert metrics.confusion_matrix(targets, predicted, 3).tolist() == [
        [1, 2, 0],
        [0, 0, 0],
        [0, 0, 1],
    ]


def test_class_accuracy_is_nan_without_a_clip() -> None:
    accuracies = metrics.class_accuracies(np.array([[1, 2, 0], [0, 0, 0], [0, 0, 1]]))
    np.testing.assert_allclose(accuracies, [1 / 3, np.nan, 1.0])


def test_macro_f1_by_hand() -> None:
    # Class 0: precision 1, recall 1/3, F1 1/2. Class 1: never right, F1 0. Class 2: F1 1.
    assert metrics.macro_f1(np.array([[1, 2, 0], [0, 0, 0], [0, 0, 1]])) == pytest.approx(0.5)


def test_macro_f1_leaves_out_a_class_that_neither_occurs_nor_is_predicted() -> None:
    assert metrics.macro_f1(np.diag([4, 0, 2])) == 1.0
    assert metrics.macro_f1(np.zeros((2, 2), dtype=np.int64)) == 0.0
