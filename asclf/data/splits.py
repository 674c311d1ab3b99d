"""Official protocols: which shards are trained on, and which are scored."""

from __future__ import annotations

from asclf.data.shard_index import ShardIndex, ShardInfo
from asclf.errors import DataError


def train_and_test(
    index: ShardIndex, test_fold: int | None
) -> tuple[list[ShardInfo], list[ShardInfo]]:
    """Parts the shards of an index by its official folds or splits; no shard is in both halves.

    Args:
        index: The shards; folds that are absent are simply not trained on.
        test_fold: The fold to score. `None` scores the split `test` where there is one, trains on
            all clips that are in no split or in `train`, and leaves `validation` alone.

    Returns:
        The shards to train on and those to score; the latter may be empty without a `test_fold`.

    Raises:
        DataError: There is no such fold (names those that there are), or nothing is left to
            train on.
    """
    test = [s for s in index.shards if s.split == "test"]
    if test_fold is not None:
        test = index.select([test_fold])
    train = [s for s in index.shards if s not in test and s.split in (None, "train")]
    if not train:
        what = "no clip is left to train on"
        raise DataError(what, where=index.folder, expected="clips outside the fold or split scored")
    return train, test
