"""Shards to training batches; a stage is a generator from stream to stream.

    places of this rank → samples, undecoded → shuffled → groups → decode, augment, crop → Batch

What is in a batch depends on (seed, epoch, rank, position) and never on who makes it. Every data
worker walks the whole stream of its rank, which is cheap while nothing is decoded, and decodes its
own groups alone: worker w of n those numbered w, w + n, w + 2n, … So 0, 1 or 4 workers give the
same batches in the same order. Each worker holds its own shuffle buffer: `data.shuffle_buffer`
clips as FLAC, about 0.1 MB for each 5 s at 16 kHz, or none of its own where `data.cache` holds all.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property, partial
from itertools import accumulate, islice, repeat
from typing import NamedTuple, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Generator, Tensor

from asclf.config.experiment import DataConfig
from asclf.data.clips import Clips, DecodedClips, Place, ShardedClips, check_memory
from asclf.data.collate import collate
from asclf.data.crops import CROPS
from asclf.data.sampling import Balance, Rotation, Sampler
from asclf.data.seeds import place_seed
from asclf.data.shard_index import ShardIndex, ShardInfo
from asclf.data.shard_reader import Sample, read_samples
from asclf.data.workers import Note, Workers
from asclf.device import threads
from asclf.errors import AudioError, ConfigError, DataError
from asclf.protocols import Batch, ClipAugmenter

T = TypeVar("T")

logger = logging.getLogger(__name__)


class _Plan(NamedTuple):
    """What the workers of an epoch are told.

    Attributes:
        epoch: Its number.
        first: The batch to begin with.
        counts: How often each clip occurs, (clips,).
    """

    epoch: int
    first: int
    counts: NDArray[np.int64]


class TrainStream:
    """Training batches of one rank, epoch by epoch.

    Every rank makes `steps_per_epoch` batches of `batch_size` clips: `data.batch_size` of all ranks
    together, so that more processes change neither the recipe nor the number of steps. The clips
    that do not fill a batch on every rank are left out, nothing is repeated; which these are
    rotates by epoch, so that all clips are left out equally often. Fewer clips than one batch a
    rank make one smaller batch. With `data.balance` an epoch is as long, and its clips are drawn
    (see `sampling.Balance`).

    Args:
        index: The index that the shards belong to.
        shards: What to train on; no other shard is opened.
        config: Crop, batch size, balance, workers, shuffle buffer and cache.
        clip_augmenters: Applied to each clip in turn, before it is cropped.
        seed: The experiment's seed.
        rank: This process among those that train together.
        world_size: How many train together.

    Attributes:
        batch_size: Clips in each batch of this rank, unless one cannot be decoded.
        steps_per_epoch: Batches in an epoch, on every rank.
        left_out: By how many clips an epoch of all ranks is shorter than the set.
        retries: Attempts to fetch a shard that failed and were made up for, in this epoch so far.

    Raises:
        ConfigError: The ranks cannot share a batch evenly.
        DataError: There are fewer shards than ranks, or too little memory for the cache.
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
        self.batch_size = min(_share(config.batch_size, world_size), self.clips // world_size)
        self.steps_per_epoch = self.clips // world_size // self.batch_size
        self.left_out = self.clips - world_size * self.steps_per_epoch * self.batch_size
        self.retries = 0
        self._workers: Workers[Batch] | None = None
        if config.cache == "memory":
            check_memory(index, shards)

    def epoch(self, epoch: int, first: int = 0) -> Iterator[Batch]:
        """Yields the batches of one epoch; equal arguments give equal batches.

        With `first` it begins at the batch of that number, and decodes none of those before.

        A clip that cannot be decoded is missing from its batch and named in its `skipped`; a batch
        of which nothing is left comes empty.

        Raises:
            DataError: A shard is broken; or a whole batch is, while other ranks wait for it.
        """
        self.retries = 0
        plan = _Plan(epoch, first, self._sampler.counts(epoch))
        if self.config.num_workers:
            batches = self._ready_workers().run(plan, self._count_retry)
        else:
            batches = self._make(self._clips, plan, 0, 1, self._count_retry)
        for batch in batches:
            self._report_skipped(batch)
            yield batch

    def _ready_workers(self) -> Workers[Batch]:
        if self._workers is None or self._workers.is_stopped:
            self._workers = Workers(
                partial(self._make, self._clips),
                self.config.num_workers,
                timeout_s=self.config.worker_timeout_s,
            )
        return self._workers

    @cached_property
    def _sampler(self) -> Sampler:
        total = self.clips - self.left_out
        if not self.config.balance:
            return Rotation(self.clips, total)
        labels = [
            sample.facts.labels
            for shard in self.shards
            for sample in read_samples(self.index, shard, self._count_retry)
        ]
        return Balance(labels, total=total, seed=self.seed)

    @cached_property
    def _clips(self) -> Clips:
        if self.config.cache == "memory":
            return DecodedClips(self.index, self.shards, self._count_retry)
        return ShardedClips(self.index)

    def _count_retry(self, reason: str) -> None:
        self.retries += 1
        logger.warning("%s", reason)

    def _report_skipped(self, batch: Batch) -> None:
        for reason in batch.skipped:
            logger.warning("left out: %s", reason)
        if not batch.clip_ids and self.world_size > 1:
            raise DataError(
                f"not one clip of a batch can be decoded: {'; '.join(batch.skipped)}",
                where=self.index.folder,
                hint="delete the shards, run `asclf shard` again; the others cannot go on",
            )

    def _make(
        self, clips: Clips, plan: _Plan, worker: int, workers: int, on_retry: Note
    ) -> Iterator[Batch]:
        """What one worker makes: its groups of this rank's stream, as batches."""
        samples = clips.read(self._places(plan), on_retry)
        order = random.Random(place_seed(self.seed, "order", plan.epoch, self.rank))
        samples = shuffle(samples, self.config.shuffle_buffer, order)
        groups = enumerate(in_groups(samples, self.batch_size))
        for number, group in islice(groups, plan.first + worker, None, workers):
            with threads(1):  # as workers have: their number changes a sum's last bits
                batch = self._make_batch(group, plan.epoch, number * self.batch_size)
            yield batch

    def _places(self, plan: _Plan) -> Iterator[Place]:
        """The clips of this rank: its share of those of the epoch, shard by shard."""
        counts = plan.counts.tolist()
        ends = accumulate(shard.clips for shard in self.shards)
        starts = {s.name: end - s.clips for s, end in zip(self.shards, ends, strict=True)}
        shards = self.shards.copy()
        random.Random(place_seed(self.seed, "shards", plan.epoch)).shuffle(shards)
        places = (
            place
            for shard in shards
            for number in range(shard.clips)
            for place in repeat((shard, number), counts[starts[shard.name] + number])
        )
        share = self.steps_per_epoch * self.batch_size
        return islice(places, self.rank * share, (self.rank + 1) * share)

    def _make_batch(self, samples: Sequence[Sample], epoch: int, start: int) -> Batch:
        """Decodes, augments and crops the samples at the positions from `start` on."""
        kept, waveforms, skipped = [], [], []
        for position, sample in enumerate(samples, start):
            seed = place_seed(self.seed, "clip", epoch, self.rank, position)
            try:
                waveform = torch.from_numpy(sample.decode(self.index.sample_rate))
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
        samples = round(self.config.crop_s * self.index.sample_rate)
        return CROPS[self.config.crop_at](waveform, samples, generator)


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


def _check_shares(index: ShardIndex, shards: Sequence[ShardInfo], world_size: int) -> None:
    if len(shards) < world_size:
        raise DataError(
            f"{len(shards)} shards cannot be shared by {world_size} processes",
            where=index.folder,
            expected="at least one shard for each",
            hint="write smaller shards (--clips-per-shard), or use fewer processes",
        )


def _share(batch_size: int, world_size: int) -> int:
    share, rest = divmod(batch_size, world_size)
    if rest:
        raise ConfigError(
            f"data.batch_size {batch_size} cannot be shared evenly by {world_size} processes",
            expected=f"a multiple of {world_size}: it is the batch of all processes together",
        )
    return share
