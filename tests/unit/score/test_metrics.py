from __future__ import annotations

import numpy as np
import pytest

from asclf.score import metrics


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


def test_share_of_nothing_is_nan_and_no_mean_has_it() -> None:
    shares = metrics.ratio(np.array([1, 0, 3]), np.array([3, 0, 3]))
    np.testing.assert_allclose(shares, [1 / 3, np.nan, 1.0])
    assert metrics.mean_of_known(shares) == pytest.approx(2 / 3)
    assert metrics.mean_of_known(np.array([np.nan])) == 0.0


def test_class_among_the_best_k_and_a_tie_at_the_edge_counts_against() -> None:
    logits = np.array([[3, 2, 1], [3, 2, 2], [1, 2, 3]], np.float32)
    targets = np.array([1, 2, 0])
    assert metrics.top_k_share(logits, targets, 2) == pytest.approx(1 / 3)
    assert metrics.top_k_share(logits, targets, 3) == 1.0
