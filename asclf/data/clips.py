"""Where the samples of a training stream come from: the shards, or memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, repeat
from operator import itemgetter
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from asclf.data.shard_index import ShardIndex, ShardInfo
from asclf.data.shard_reader import Sample, read_samples
from asclf.data.shard_web import OnRetry
from asclf.device import available_memory
from asclf.errors import AudioError, DataError

FULL_SCALE = 1 << 15
BYTES_PER_SAMPLE = 2

Place = tuple[ShardInfo, int]
"""A clip by its shard and its number therein."""


class Clips(Protocol):
    """A set of clips, found by their places."""

    def read(self, places: Iterable[Place], on_retry: OnRetry) -> Iterator[Sample]:
        """The samples at places that come shard by shard, in the order of the shards."""
        ...


@dataclass(frozen=True)
class ShardedClips:
    """Clips as they lie in their shards; each shard is read once an epoch."""

    index: ShardIndex

    def read(self, places: Iterable[Place], on_retry: OnRetry) -> Iterator[Sample]:
        """See `Clips`; a clip that is wanted several times comes several times in a row."""
        for shard, group in groupby(places, key=itemgetter(0)):
            times = Counter(number for _, number in group)
            for number, sample in enumerate(read_samples(self.index, shard, on_retry)):
                yield from repeat(sample, times[number])


@dataclass(frozen=True)
class DecodedSample(Sample):
    """A clip that is decoded already, in the 16 bits that its shard has.

    Attributes:
        pcm: Its samples, (S,) int16; `None` where it cannot be decoded.
        fault: Why not.
    """

    pcm: NDArray[np.int16] | None
    fault: str = ""

    def decode(self, sample_rate: int) -> NDArray[np.float32]:  # noqa: ARG002
        """The clip's waveform (S,), bit by bit what decoding gave."""
        if self.pcm is None:
            raise AudioError(self.fault, where=self.where)
        waveform: NDArray[np.float32] = self.pcm.astype(np.float32) / np.float32(FULL_SCALE)
        return waveform


class DecodedClips:
    """The clips of some shards, decoded once; workers share the memory of their parent.

    Args:
        index: The index that the shards belong to.
        shards: What to decode.
        on_retry: Told of every attempt to fetch a shard that failed, but for the last.

    Raises:
        DataError: A shard is broken, or has samples of more than 16 bits.
    """

    def __init__(self, index: ShardIndex, shards: Sequence[ShardInfo], on_retry: OnRetry) -> None:
        self.samples = {
            shard.name: [
                _decoded(sample, index.sample_rate)
                for sample in read_samples(index, shard, on_retry)
            ]
            for shard in shards
        }

    def read(self, places: Iterable[Place], on_retry: OnRetry) -> Iterator[Sample]:  # noqa: ARG002
        """See `Clips`."""
        return (self.samples[shard.name][number] for shard, number in places)


def check_memory(index: ShardIndex, shards: Sequence[ShardInfo]) -> None:
    """Makes sure that the decoded clips of some shards fit into the memory that is free.

    Raises:
        DataError: They do not.
    """
    wanted, free = BYTES_PER_SAMPLE * sum(shard.samples for shard in shards), available_memory()
    if free is not None and wanted > free:
        raise DataError(
            f"the decoded clips take {wanted / 1e9:.2f} GB of memory",
            where=index.folder,
            expected=f"at most the {free / 1e9:.2f} GB that are free",
            hint="set data.cache=none",
        )


def _decoded(sample: Sample, sample_rate: int) -> DecodedSample:
    try:
        waveform = sample.decode(sample_rate)
    except AudioError as error:
        return DecodedSample(sample.facts, b"", sample.shard, None, error.what)
    pcm = (waveform * FULL_SCALE).astype(np.int16)
    decoded = DecodedSample(sample.facts, b"", sample.shard, pcm)
    if not np.array_equal(decoded.decode(sample_rate), waveform):
        raise DataError(
            "the clip has more than 16 bits a sample",
            where=sample.where,
            hint="set data.cache=none",
        )
    return decoded
