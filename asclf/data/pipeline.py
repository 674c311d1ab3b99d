"""Shards to training batches; a stage is a generator from stream to stream.

    places of this rank → samples, undecoded → shuffled → groups → decode, augment, crop → Batch

What is in a batch depends on (seed, epoch, rank, position) and never on who makes it. Every data
worker walks the whole stream of its rank, which is cheap while nothing is decoded, and decodes its
own groups alone: worker w of n those numbered w, w + n, w + 2n, … So 0, 1 or 4 workers give the
same batches in the same order. Each worker holds its own shuffle buffer: `data.shuffle_buffer`
clips as FLAC, about 0.1 MB for each 5 s at 16 kHz.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from itertools import groupby, islice
from operator import itemgetter
from typing import TypeVar

import torch
from torch import Generator, Tensor

from asclf.config.experiment import DataConfig
from asclf.data.collate import collate, decode_sample
from asclf.data.seeds import place_seed
from asclf.data.shard_index import ShardIndex, ShardInfo
from asclf.data.shard_reader import Sample, read_samples
from asclf.data.workers import run_in_workers
from asclf.device import threads
from asclf.errors import AudioError, DataError
from asclf.protocols import Batch, ClipAugmenter

T = TypeVar("T")
Place = tuple[ShardInfo, int]
"""A clip by its shard and its number therein."""

logger = logging.getLogger(__name__)


class TrainStream:
    """Training batches of one rank, epoch by epoch.

    Every rank makes `steps_per_epoch` batches of `batch_size` clips. The clips that do not fill a
    batch on every rank are left out, nothing is repeated; which these are rotates by epoch, so that
    all clips are left out equally often. Fewer clips than one batch a rank make one smaller batch.

    Args:
        index: The index that the shards belong to.
        shards: What to train on; no other shard is opened.
        config: Crop, batch size, workers and shuffle buffer.
        clip_augmenters: Applied to each clip in turn, before it is cropped.
        seed: The experiment's seed.
        rank: This process among those that train together.
        world_size: How many train together.

    Attributes:
        batch_size: Clips in each batch, unless one cannot be decoded.
        steps_per_epoch: Batches in an epoch, on every rank.
        left_out: Clips that are left out in an epoch, over all ranks.

    Raises:
        DataError: There are fewer shards than ranks.
    """

    def __init__(
        self,
        index: ShardIndex,
        shards: Sequence[ShardInfo],
        *,
        config: DataConfig,
        clip_augmenters: Sequence[ClipAugmenter],
        seed: int,
        rank: int = 0,
        world_size: int = 1,
    ) -> None:
        _check_shares(index, shards, world_size)
        self.index = index
        self.shards = sorted(shards, key=lambda shard: shard.name)
        self.config = config
        self.clip_augmenters = tuple(clip_augmenters)
        self.seed = seed
        self.rank = rank
        self.world_size = world_size
        self.clips = sum(shard.clips for shard in shards)
        self.batch_size = min(config.batch_size, self.clips // world_size)
        self.steps_per_epoch = self.clips // world_size // self.batch_size
        self.left_out = self.clips - world_size * self.steps_per_epoch * self.batch_size

    def epoch(self, epoch: int, first: int = 0) -> Iterator[Batch]:
        """Yields the batches of one epoch; equal arguments give equal batches.

        With `first` it begins at the batch of that number, and decodes none of those before.

        A clip that cannot be decoded is missing from its batch and named in its `skipped`; a batch
        of which nothing is left comes empty.

        Raises:
            DataError: A shard is broken; or a whole batch is, while other ranks wait for it.
        """
        for batch in run_in_workers(partial(self._batches, epoch, first), self.config.num_workers):
            for reason in batch.skipped:
                logger.warning("left out: %s", reason)
            if not batch.clip_ids:
                self._check_alone(batch)
            yield batch

    def _batches(self, epoch: int, first: int, worker: int, workers: int) -> Iterator[Batch]:
        samples = read_places(self.index, self._places(epoch))
        order = random.Random(place_seed(self.seed, "order", epoch, self.rank))
        samples = shuffle(samples, self.config.shuffle_buffer, order)
        for number, group in enumerate(in_groups(samples, self.batch_size)):
            if number >= first and (number - first) % workers == worker:
                with threads(1):  # as workers have: their number changes a sum's last bits
                    batch = self._make_batch(group, epoch, number * self.batch_size)
                yield batch

    def _places(self, epoch: int) -> Iterator[Place]:
        """The clips of this rank: its share of those that are not left out, shard by shard."""
        shards = self.shards.copy()
        random.Random(place_seed(self.seed, "shards", epoch)).shuffle(shards)
        out = self._places_left_out(epoch)
        places = ((shard, number) for shard in shards for number in range(shard.clips))
        kept = (place for place in places if place not in out)
        share = self.steps_per_epoch * self.batch_size
        return islice(kept, self.rank * share, (self.rank + 1) * share)

    def _places_left_out(self, epoch: int) -> set[Place]:
        """A window over all clips that moves on by its own length each epoch."""
        places = [(shard, number) for shard in self.shards for number in range(shard.clips)]
        start = epoch * self.left_out
        return {places[i % self.clips] for i in range(start, start + self.left_out)}

    def _make_batch(self, samples: Sequence[Sample], epoch: int, start: int) -> Batch:
        """Decodes, augments and crops the samples at the positions from `start` on."""
        kept, waveforms, skipped = [], [], []
        for position, sample in enumerate(samples, start):
            seed = place_seed(self.seed, "clip", epoch, self.rank, position)
            try:
                waveform = decode_sample(sample, self.index.sample_rate)
            except AudioError as error:
                skipped.append(f"{sample.facts.clip_id}: {error.what}")
                continue
            kept.append(sample)
            waveforms.append(self._augment(waveform, Generator().manual_seed(seed)))
        return collate(kept, waveforms, self.index.labels, skipped)

    def _augment(self, waveform: Tensor, generator: Generator) -> Tensor:
        for augmenter in self.clip_augmenters:
            waveform = augmenter.augment_clip(waveform, generator)
        if self.config.crop_s is None:
            return waveform
        return crop(waveform, round(self.config.crop_s * self.index.sample_rate), generator)

    def _check_alone(self, batch: Batch) -> None:
        if self.world_size > 1:
            raise DataError(
                f"not one clip of a batch can be decoded: {'; '.join(batch.skipped)}",
                where=self.index.folder,
                hint="delete the shards and run stage 2 again; the other processes cannot go on",
            )


def read_places(index: ShardIndex, places: Iterable[Place]) -> Iterator[Sample]:
    """Stage: places, shard by shard, to the samples there; each shard is read once."""
    for shard, group in groupby(places, key=itemgetter(0)):
        numbers = {number for _, number in group}
        for number, sample in enumerate(read_samples(index, shard)):
            if number in numbers:
                yield sample


def shuffle(stream: Iterable[T], size: int, order: random.Random) -> Iterator[T]:
    """Stage: yields, for each item past the first `size`, one of those held, drawn at random."""
    items = iter(stream)
    held = list(islice(items, size))
    for item in items:
        i = order.randrange(size)
        yield held[i]
        held[i] = item
    order.shuffle(held)
    yield from held


def in_groups(stream: Iterable[T], size: int) -> Iterator[list[T]]:
    """Stage: items to lists of `size`."""
    items = iter(stream)
    while group := list(islice(items, size)):
        yield group


def crop(waveform: Tensor, samples: int, generator: Generator) -> Tensor:
    """Cuts a stretch of (S,) at a random place; a waveform that is not longer stays as it is."""
    spare = len(waveform) - samples
    if spare <= 0:
        return waveform
    start = int(torch.randint(spare + 1, (), generator=generator))
    return waveform[start : start + samples]  # (samples,)


def _check_shares(index: ShardIndex, shards: Sequence[ShardInfo], world_size: int) -> None:
    if len(shards) < world_size:
        raise DataError(
            f"{len(shards)} shards cannot be shared by {world_size} processes",
            where=index.folder,
            expected="at least one shard for each",
            hint="write smaller shards (--clips-per-shard), or use fewer processes",
        )
