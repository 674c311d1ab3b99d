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
    scores = replace(
        make_scores([[2, 1], [0, 3]], fold=4),
        skipped=("4-9: cut short",),
        source_ids=("a", None, "b", "b", "a", None),
        activation="sigmoid",
        views=5,
    )
    scores.save(tmp_path / "scores.npz")
    found = Scores.load(tmp_path / "scores.npz")
    for name in ("clip_ids", "labels", "skipped", "source_ids", "activation", "views"):
        assert getattr(found, name) == getattr(scores, name)
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


def test_scores_of_the_first_version_are_still_read(
    make_scores: Callable[..., Scores], tmp_path: Path
) -> None:
    scores = make_scores([[2, 1], [0, 3]], fold=4)
    np.savez_compressed(
        tmp_path / "scores.npz",
        clip_ids=np.array(scores.clip_ids),
        folds=scores.folds,
        targets=scores.classes,
        logits=scores.logits,
        labels=np.array(scores.labels.names),
        skipped=np.array((), dtype=np.str_),
    )
    found = Scores.load(tmp_path / "scores.npz")
    np.testing.assert_array_equal(found.targets, scores.targets, strict=True)
    assert (found.source_ids, found.multi_label, found.views) == ((), False, 1)
    assert found.sources.tolist() == list(range(6))


def test_what_holds_no_scores_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"absent\.npz: cannot be read.*asclf score"):
        Scores.load(tmp_path / "absent.npz")
    (tmp_path / "x.npz").write_bytes(b"no archive")
    with pytest.raises(DataError, match=r"x\.npz: these are no scores"):
        Scores.load(tmp_path / "x.npz")


def test_a_clip_of_no_known_source_is_one_of_its_own(make_scores: Callable[..., Scores]) -> None:
    scores = replace(make_scores([[4, 0], [0, 1]], 1), source_ids=("a", None, "b", "a", None))
    found = scores.sources.tolist()
    assert found[0] == found[3]
    assert len(set(found)) == 4


def test_clips_without_exactly_one_label_need_a_model_that_allows_it(
    make_scores: Callable[..., Scores],
) -> None:
    scores = make_scores([[1, 0], [0, 1]], fold=1)
    targets = np.array([[True, True], [False, False]])
    with pytest.raises(DataError, match="1-0: it has 2 labels; expected one label a clip"):
        replace(scores, targets=targets)
    logits = (targets - 0.5).astype(np.float32)
    both = replace(scores, targets=targets, activation="sigmoid", logits=logits)
    assert both.decisions.tolist() == targets.tolist()
    assert both.correct.all()
