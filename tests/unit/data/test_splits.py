from __future__ import annotations

from pathlib import Path

import pytest

from asclf.data.labels import LabelMap
from asclf.data.shard_index import ShardIndex, ShardInfo
from asclf.data.splits import train_and_test
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


def _homes(shards: list[ShardInfo]) -> list[tuple[int | None, str | None]]:
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
