from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from asclf.data.labels import LabelMap
from asclf.errors import DataError
from asclf.score.scores import Scores, pool


def test_stored_scores_come_back_equal(make_scores: Callable[..., Scores], tmp_path: Path) -> None:
    scores = replace(make_scores([[2, 1], [0, 3]], fold=4), skipped=("4-9: cut short",))
    scores.save(tmp_path / "scores.npz")
    found = Scores.load(tmp_path / "scores.npz")
    assert (found.clip_ids, found.labels, found.skipped) == (
        scores.clip_ids,
        scores.labels,
        scores.skipped,
    )
    for name in ("folds", "targets", "logits"):
        np.testing.assert_array_equal(getattr(found, name), getattr(scores, name), strict=True)


def test_pooling_keeps_every_clip_once(make_scores: Callable[..., Scores]) -> None:
    first, second = make_scores([[2, 0], [1, 1]], fold=1), make_scores([[0, 2], [0, 2]], fold=2)
    pooled = pool([first, replace(second, skipped=("2-7: silent",))])
    assert pooled.clip_ids == first.clip_ids + second.clip_ids
    assert pooled.folds.tolist() == [1, 1, 1, 1, 2, 2, 2, 2]
    assert pooled.correct.sum() == 3 + 2
    assert pooled.skipped == ("2-7: silent",)


def test_a_fold_pooled_with_itself_is_refused(make_scores: Callable[..., Scores]) -> None:
    scores = make_scores([[1, 0], [0, 1]], fold=1)
    with pytest.raises(DataError, match="1-0: this clip is scored twice"):
        pool([scores, scores])


def test_folds_with_other_labels_are_not_pooled(make_scores: Callable[..., Scores]) -> None:
    scores = make_scores([[1, 0], [0, 1]], fold=1)
    others = make_scores([[1, 0], [0, 1]], fold=2, names=("cat", "dog"))
    assert others.labels == LabelMap(("cat", "dog"))
    with pytest.raises(DataError, match="cannot be pooled"):
        pool([scores, others])
