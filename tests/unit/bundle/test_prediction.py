from __future__ import annotations

import numpy as np
import pytest

from asclf.bundle.activation import sigmoid, softmax
from asclf.bundle.prediction import Prediction
from asclf.errors import DataError


def test_scores_are_softmax_of_the_logits() -> None:
    prediction = Prediction.from_logits(np.log([1.0, 2.0, 5.0]), ("a", "b", "c"), "x.wav")
    assert prediction.label == "c"
    assert prediction.score == pytest.approx(0.625)
    assert list(prediction.scores) == ["a", "b", "c"]
    assert prediction.scores["b"] == pytest.approx(0.25)
    assert prediction.clip == "x.wav"


def test_top_is_sorted_and_never_longer_than_the_labels() -> None:
    prediction = Prediction.from_logits(np.array([0.0, 2.0, 1.0]), ("a", "b", "c"), "x.wav")
    assert [label for label, _ in prediction.top(2)] == ["b", "c"]
    assert len(prediction.top(9)) == 3


def test_labels_that_may_be_heard_together_have_scores_of_their_own() -> None:
    logits = np.log([3.0, 0.25, 1.0])
    prediction = Prediction.from_logits(logits, ("a", "b", "c"), "x.wav", "sigmoid")
    assert list(prediction.scores.values()) == pytest.approx([0.75, 0.2, 0.5])
    assert [label for label, _ in prediction.above(0.5 - 1e-9)] == ["a", "c"]
    assert prediction.above(0.8) == []


def test_sigmoid_is_exact_at_both_ends() -> None:
    scores = sigmoid(np.array([-800.0, -30.0, 0.0, 800.0], np.float32))
    np.testing.assert_allclose(scores, [0.0, np.exp(-30), 0.5, 1.0], atol=1e-16)


def test_softmax_neither_overflows_nor_loses_what_float32_would() -> None:
    scores = softmax(np.array([[1e4, 0.0], [-1e4, -1e4], [0.0, 30.0]], np.float32))
    assert scores.dtype == np.float64
    np.testing.assert_allclose(scores.sum(axis=1), 1, rtol=1e-15)
    assert scores[1].tolist() == [0.5, 0.5]
    assert scores[2, 0] == pytest.approx(np.exp(-30), rel=1e-9)


@pytest.mark.parametrize("broken", [np.nan, np.inf])
def test_logits_that_are_not_finite_are_no_prediction(broken: float) -> None:
    with pytest.raises(DataError, match=r"x\.wav: the network's logits are not finite"):
        Prediction.from_logits(np.array([0.0, broken]), ("a", "b"), "x.wav")
