"""Protocols: which shards are trained on, which are validated on, and which are scored.

`official` and `nested` never look at what is scored. `test_selected` validates on the very clips
that are scored: much of the literature chooses an epoch so, and what that is worth can then be
measured. Folds dealt at random are a matter of the shards themselves (`asclf.data.dealing`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from asclf.config.experiment import SplitProtocol
from asclf.data.shard_index import ShardIndex, ShardInfo
from asclf.errors import DataError


@dataclass(frozen=True)
class Parts:
    """The shards of an index by what they are for; no shard is both trained on and something else.

    Attributes:
        train: To train on.
        validation: To watch the training by; none where a protocol has no such clips, and the test
            shards themselves under `test_selected`.
        test: To score; may be none where no fold is left out.
    """

    train: tuple[ShardInfo, ...]
    validation: tuple[ShardInfo, ...]
    test: tuple[ShardInfo, ...]


def part_shards(
    index: ShardIndex, test_fold: int | None, protocol: SplitProtocol = "official"
) -> Parts:
    """Parts the shards of an index; folds that are absent are simply not trained on.

    Args:
        index: The shards.
        test_fold: The fold to score; `None` scores the split `test` where there is one.
        protocol: `official` validates on the split `validation` where there is one, `nested` else
            on the next fold there is, in a circle; `test_selected` on what is scored.

    Raises:
        DataError: There is no such fold (names those that there are), none to validate on, or
            nothing is left to train on.
    """
    test = _scored(index, test_fold)
    rest = [s for s in index.shards if s not in test and s.split != "test"]
    validation = (
        test if protocol == "test_selected" else _held_out(index, rest, test_fold, protocol)
    )
    train = [s for s in rest if s not in validation and s.split != "validation"]
    if not train:
        what = "no clip is left to train on"
        expected = "clips outside the folds or splits that are scored or validated on"
        raise DataError(what, where=index.folder, expected=expected)
    return Parts(tuple(train), tuple(validation), tuple(test))


def train_and_test(
    index: ShardIndex, test_fold: int | None
) -> tuple[list[ShardInfo], list[ShardInfo]]:
    """The shards that are trained on and those that are scored under `official`; see above."""
    parts = part_shards(index, test_fold)
    return list(parts.train), list(parts.test)


def _scored(index: ShardIndex, test_fold: int | None) -> list[ShardInfo]:
    """The shards of the fold to score, or of the split `test` without one; maybe none.

    Raises:
        DataError: There is no such fold; names those that there are.
    """
    if test_fold is not None:
        return index.select([test_fold])
    return [shard for shard in index.shards if shard.split == "test"]


def _held_out(
    index: ShardIndex, rest: Sequence[ShardInfo], test_fold: int | None, protocol: SplitProtocol
) -> list[ShardInfo]:
    """What is validated on of the shards that are not scored."""
    named = [shard for shard in rest if shard.split == "validation"]
    if named or protocol == "official":
        return named
    folds = sorted({shard.fold for shard in rest if shard.fold is not None})
    if test_fold is None or not folds:
        raise DataError(
            "the protocol `nested` finds nothing to validate on",
            where=index.folder,
            expected="`data.test_fold` and another fold, or shards of the split `validation`",
        )
    chosen = next((fold for fold in folds if fold > test_fold), folds[0])
    return [shard for shard in rest if shard.fold == chosen]
