"""Clips for scoring: every clip exactly once, in an order that does not change."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence

import torch

from asclf.data.collate import collate
from asclf.data.shard_index import REWRITE, ShardIndex, ShardInfo
from asclf.data.shard_reader import Sample, read_samples
from asclf.errors import AudioError, DataError
from asclf.protocols import Batch


def score_batches(
    index: ShardIndex, shards: Iterable[ShardInfo], *, batch_size: int
) -> Iterator[Batch]:
    """Batches of clips of equal length, so that none is padded and no clip depends on its mates.

    Clips wait, undecoded, until `batch_size` of their length have been read; what then still waits
    comes last, the shortest clips first.

    Args:
        index: The index that the shards belong to.
        shards: What to score; no other shard is opened.
        batch_size: Most clips in a batch.

    Raises:
        DataError: A shard is broken, or a clip cannot be decoded: a score must not miss a clip.
    """
    waiting: dict[int, list[Sample]] = defaultdict(list)
    for shard in shards:
        for sample in read_samples(index, shard):
            waiting[sample.facts.samples].append(sample)
            if len(waiting[sample.facts.samples]) == batch_size:
                yield _batch(waiting.pop(sample.facts.samples), index)
    for length in sorted(waiting):
        yield _batch(waiting[length], index)


def _batch(samples: Sequence[Sample], index: ShardIndex) -> Batch:
    try:
        decoded = [sample.decode(index.sample_rate) for sample in samples]
    except AudioError as error:
        what, where = f"a clip cannot be scored: {error.what}", error.where
        raise DataError(what, where=where, hint=f"as for the shard: {REWRITE}") from error
    return collate(samples, [torch.from_numpy(one) for one in decoded], index.labels)
