from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from asclf.bundle.activation import Activation, activate
from asclf.data.labels import LabelMap
from asclf.score.calibration import calibration, expected_error, fit_temperature, reliability
from asclf.score.scores import Scores, one_hot


def drawn_scores(activation: Activation, sharpness: float, clips: int = 4000) -> Scores:
    """Clips whose labels are drawn by the scores of logits, which are then made too sharp."""
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 1.5, (clips, 3))
    share = activate(logits, activation)
    if activation == "softmax":
        drawn = (share.cumsum(axis=1) < rng.random((clips, 1))).sum(axis=1)
        targets = one_hot(drawn, 3)
    else:
        targets = rng.random(share.shape) < share
    return Scores(
        tuple(map(str, range(clips))),
        np.ones(clips, np.int64),
        targets,
        (sharpness * logits).astype(np.float32),
        LabelMap(("a", "b", "c")),
        activation=activation,
    )


def test_expected_error_by_hand() -> None:
    given = np.array([0.95, 0.95, 0.95, 0.95, 0.5, 0.5, 1.0])
    hits = np.array([1, 1, 1, 0, 1, 0, 1], bool)
    bins = reliability(given, hits)
    assert [(each.cases, each.hits) for each in bins] == [(2, 1), (5, 4)]
    assert bins[1].high == 1
    assert bins[1].score == pytest.approx(0.96)
    assert expected_error(bins) == pytest.approx((2 * 0 + 5 * 0.16) / 7)


@pytest.mark.parametrize("activation", ["softmax", "sigmoid"])
def test_temperature_undoes_what_made_the_scores_too_sharp(activation: Activation) -> None:
    sharp = drawn_scores(activation, sharpness=3.0)
    temperature = fit_temperature(sharp)
    assert temperature == pytest.approx(3.0, rel=0.06)
    found = calibration(sharp, {1: temperature})
    assert found.ece > 0.1
    assert found.ece_at_temperatures is not None
    assert found.ece_at_temperatures < 0.03
    assert sum(each.cases for each in found.bins) == (4000 if activation == "softmax" else 12000)


def test_scores_that_are_right_as_often_as_they_say_need_no_temperature() -> None:
    true = drawn_scores("softmax", sharpness=1.0)
    assert fit_temperature(true) == pytest.approx(1.0, rel=0.06)
    found = calibration(true, {})
    assert found.ece < 0.03
    assert (found.temperatures, found.ece_at_temperatures) == ((), None)


def test_every_fold_is_divided_by_its_own_temperature() -> None:
    sharp, true = drawn_scores("softmax", 3.0), drawn_scores("softmax", 1.0)
    both = replace(
        sharp,
        clip_ids=tuple(map(str, range(8000))),
        folds=np.repeat([1, 2], 4000),
        targets=np.concatenate([sharp.targets, true.targets]),
        logits=np.concatenate([sharp.logits, true.logits]),
    )
    found = calibration(both, {1: 3.0, 2: 1.0})
    assert found.temperatures == (3.0, 1.0)
    assert found.ece_at_temperatures == pytest.approx(calibration(true, {}).ece, abs=1e-6)
