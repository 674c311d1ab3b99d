from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from asclf.data.labels import LabelMap
from asclf.data.shard_index import ShardIndex, ShardInfo
from asclf.data.splits import Parts, part_shards, train_and_test
from asclf.errors import DataError


def _index(*homes: tuple[int | None, str | None]) -> ShardIndex:
    shards = [
        ShardInfo(f"shard-{i}.tar", fold, split, 1, 1, 1, "0" * 64)
        for i, (fold, split) in enumerate(homes)
    ]
    return ShardIndex(
        sample_rate=8000,
        clips_per_shard=1,
        manifest_hash="0" * 64,
        labels=LabelMap(("dog",)),
        shards=tuple(shards),
        folder=Path("shards"),
    )


def _homes(shards: Sequence[ShardInfo]) -> list[tuple[int | None, str | None]]:
    return [(shard.fold, shard.split) for shard in shards]


def test_a_fold_is_scored_and_all_others_are_trained_on() -> None:
    index = _index((1, None), (2, None), (2, None), (4, None))
    train, test = train_and_test(index, 2)
    assert _homes(train) == [(1, None), (4, None)]
    assert _homes(test) == [(2, None), (2, None)]


def test_without_a_test_fold_every_clip_is_trained_on() -> None:
    index = _index((1, None), (2, None), (None, None))
    assert train_and_test(index, None) == (list(index.shards), [])


def test_official_splits_are_kept_apart() -> None:
    index = _index((None, "train"), (None, "validation"), (None, "test"), (None, None))
    train, test = train_and_test(index, None)
    assert _homes(train) == [(None, "train"), (None, None)]
    assert _homes(test) == [(None, "test")]


@pytest.mark.parametrize("fold", [1, 2, 3])
def test_no_shard_is_trained_on_and_scored(fold: int) -> None:
    index = _index((1, None), (2, None), (2, "test"), (3, "train"), (3, "test"), (None, None))
    train, test = train_and_test(index, fold)
    assert train
    assert not [shard for shard in train if shard in test]
    assert {shard.fold for shard in test} == {fold}


def test_an_absent_fold_names_those_that_there_are() -> None:
    with pytest.raises(DataError, match=r"no fold 5; expected one of the folds 1, 2, 4"):
        train_and_test(_index((1, None), (2, None), (4, None)), 5)


def test_a_fold_of_clips_without_folds_is_an_error() -> None:
    with pytest.raises(DataError, match="these clips have no folds"):
        train_and_test(_index((None, None)), 1)


def test_nothing_left_to_train_on_is_an_error() -> None:
    with pytest.raises(DataError, match="no clip is left to train on"):
        train_and_test(_index((1, None)), 1)


FOLDS = ((1, None), (2, None), (2, None), (4, None), (5, None))
SPLITS = ((None, "train"), (None, "validation"), (None, "test"))


def _folds(parts: Parts) -> tuple[set[int | None], ...]:
    return tuple({s.fold for s in part} for part in (parts.train, parts.validation, parts.test))


@pytest.mark.parametrize(("test_fold", "validated_on"), [(1, 2), (2, 4), (4, 5), (5, 1)])
def test_nested_validates_on_the_next_fold_there_is_in_a_circle(
    test_fold: int, validated_on: int
) -> None:
    train, validation, test = _folds(part_shards(_index(*FOLDS), test_fold, "nested"))
    assert (validation, test) == ({validated_on}, {test_fold})
    assert train == {1, 2, 4, 5} - {test_fold, validated_on}


def test_official_validates_on_no_fold() -> None:
    assert _folds(part_shards(_index(*FOLDS), 2)) == ({1, 4, 5}, set(), {2})


def test_test_selected_validates_on_what_is_scored_and_trains_as_official_does() -> None:
    parts = part_shards(_index(*FOLDS), 2, "test_selected")
    assert parts.validation == parts.test
    assert parts.train == part_shards(_index(*FOLDS), 2).train


@pytest.mark.parametrize("protocol", ["official", "nested"])
def test_a_split_named_validation_is_validated_on(protocol: Any) -> None:
    parts = part_shards(_index(*SPLITS), None, protocol)
    assert [_homes(part) for part in (parts.train, parts.validation, parts.test)] == [
        [home] for home in SPLITS
    ]


def test_test_selected_leaves_the_validation_split_alone() -> None:
    parts = part_shards(_index(*SPLITS), None, "test_selected")
    assert _homes(parts.validation) == [(None, "test")]
    assert _homes(parts.train) == [(None, "train")]


def test_nested_needs_something_to_validate_on_and_something_to_train_on() -> None:
    with pytest.raises(DataError, match=r"nothing to validate on; expected `data\.test_fold` and"):
        part_shards(_index(*FOLDS), None, "nested")
    with pytest.raises(DataError, match="no clip is left to train on"):
        part_shards(_index((1, None), (2, None)), 1, "nested")
