"""What a run trains on, as the parts that are built for it may ask."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from asclf.data.labels import LabelMap
from asclf.data.shard_index import ShardIndex, ShardInfo


@dataclass(frozen=True)
class TrainingSet:
    """The shards that a run trains on, and the fold that it leaves out.

    Attributes:
        index: The index that the shards belong to.
        shards: Those that are trained on.
        test_fold: The fold that is left out, if any.
    """

    index: ShardIndex
    shards: Sequence[ShardInfo]
    test_fold: int | None

    @property
    def labels(self) -> LabelMap:
        """The classes, in the order of the targets."""
        return self.index.labels

    @property
    def sample_rate(self) -> int:
        """Of the waveforms, in Hz."""
        return self.index.sample_rate
