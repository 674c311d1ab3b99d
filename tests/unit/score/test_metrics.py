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


def test_class_accuracy_is_nan_without_a_clip() -> None:
    accuracies = metrics.class_accuracies(np.array([[1, 2, 0], [0, 0, 0], [0, 0, 1]]))
    np.testing.assert_allclose(accuracies, [1 / 3, np.nan, 1.0])


def test_macro_f1_by_hand() -> None:
    # Class 0: precision 1, recall 1/3, F1 1/2. Class 1: never right, F1 0. Class 2: F1 1.
    assert metrics.macro_f1(np.array([[1, 2, 0], [0, 0, 0], [0, 0, 1]])) == pytest.approx(0.5)


def test_macro_f1_leaves_out_a_class_that_neither_occurs_nor_is_predicted() -> None:
    assert metrics.macro_f1(np.diag([4, 0, 2])) == 1.0
    assert metrics.macro_f1(np.zeros((2, 2), dtype=np.int64)) == 0.0


def test_class_among_the_best_k_and_a_tie_at_the_edge_counts_against() -> None:
    logits = np.array([[3, 2, 1], [3, 2, 2], [1, 2, 3]], np.float32)
    targets = np.array([1, 2, 0])
    assert metrics.top_k_share(logits, targets, 2) == pytest.approx(1 / 3)
    assert metrics.top_k_share(logits, targets, 3) == 1.0
