from __future__ import annotations

import logging
import os
import random
import signal
from collections import Counter
from collections.abc import Sequence

import pytest
import torch
from torch import Generator, Tensor

from asclf.config.experiment import DataConfig
from asclf.data.manifest import read_manifest, write_manifest
from asclf.data.pipeline import TrainStream, in_groups, shuffle
from asclf.data.shard_index import ShardIndex
from asclf.data.shards import write_shards
from asclf.errors import ConfigError, DataError
from asclf.protocols import Batch


class _Jitter:
    """Multiplies by a drawn gain."""

    def augment_clip(self, waveform: Tensor, generator: Generator) -> Tensor:
        return waveform * (0.5 + torch.rand((), generator=generator))


class _Tail:
    """Cuts off a drawn number of samples."""

    def augment_clip(self, waveform: Tensor, generator: Generator) -> Tensor:
        return waveform[: len(waveform) - int(torch.randint(100, (), generator=generator))]


class _Energy:
    """Multiplies by the energy: a sum whose last bits depend on the number of threads."""

    def augment_clip(self, waveform: Tensor, generator: Generator) -> Tensor:  # noqa: ARG002
        return waveform * torch.dot(waveform, waveform)


def _stream(
    index: ShardIndex,
    *,
    seed: int = 0,
    augmenters: Sequence[object] = (),
    rank: int = 0,
    world_size: int = 1,
    **config: object,
) -> TrainStream:
    return TrainStream(
        index,
        index.shards,
        config=DataConfig(**{"num_workers": 0, "batch_size": 4, **config}),
        clip_augmenters=augmenters,
        seed=seed,
        rank=rank,
        world_size=world_size,
    )


def _clip_ids(stream: TrainStream, epoch: int = 0) -> list[tuple[str, ...]]:
    return [batch.clip_ids for batch in stream.epoch(epoch)]


def _flat(stream: TrainStream, epoch: int = 0) -> list[str]:
    return [clip_id for clip_ids in _clip_ids(stream, epoch) for clip_id in clip_ids]


def _assert_equal(first: list[Batch], second: list[Batch]) -> None:
    assert [batch.clip_ids for batch in first] == [batch.clip_ids for batch in second]
    for one, two in zip(first, second, strict=True):
        assert torch.equal(one.waveform, two.waveform)
        assert torch.equal(one.targets, two.targets)
        assert (one.lengths is None) == (two.lengths is None)
        assert one.lengths is None or torch.equal(one.lengths, two.lengths)
        assert one.skipped == two.skipped


# What a batch depends on --------------------------------------------------------------------------


@pytest.mark.parametrize("workers", [1, 2, 4])
def test_the_number_of_workers_changes_nothing(make_shards, workers: int) -> None:
    index = make_shards(folds=(1, 2, 3), per_fold=9, samples=(300, 400, 500))
    options = {"augmenters": [_Jitter(), _Tail()], "crop_s": 0.04, "shuffle_buffer": 5}
    expected = list(_stream(index, **options).epoch(3))
    assert len(expected) == 6
    _assert_equal(expected, list(_stream(index, num_workers=workers, **options).epoch(3)))


@pytest.mark.parametrize("workers", [0, 1, 3])
def test_an_epoch_may_begin_at_any_batch(make_shards, workers: int) -> None:
    stream = _stream(make_shards(per_fold=21), augmenters=[_Jitter()], num_workers=workers)
    whole = list(stream.epoch(1))
    for first in range(len(whole) + 1):
        _assert_equal(whole[first:], list(stream.epoch(1, first)))


def test_batches_before_the_first_are_not_decoded(make_shards) -> None:
    heard: list[int] = []

    class Listen:
        def augment_clip(self, waveform: Tensor, generator: Generator) -> Tensor:  # noqa: ARG002
            heard.append(len(waveform))
            return waveform

    stream = _stream(make_shards(per_fold=21), augmenters=[Listen()])
    assert len(list(stream.epoch(0, 9))) == 1
    assert len(heard) == 4


def test_a_stream_begun_anew_gives_the_same_epoch(make_shards) -> None:
    index = make_shards(per_fold=9)
    stream = _stream(index, augmenters=[_Jitter()])
    for _ in stream.epoch(0):
        torch.rand(3)
        random.random()
    expected = list(stream.epoch(1))
    _assert_equal(expected, list(_stream(index, augmenters=[_Jitter()]).epoch(1)))


def test_epochs_and_seeds_differ_in_order_and_in_draws(make_shards) -> None:
    index = make_shards(per_fold=9)
    runs = {
        (seed, epoch): list(_stream(index, seed=seed, augmenters=[_Jitter()]).epoch(epoch))
        for seed in (0, 1)
        for epoch in (0, 1)
    }
    assert len({tuple(batch.clip_ids for batch in run) for run in runs.values()}) == 4
    gains = {
        float(batch.waveform[i].std())
        for run in runs.values()
        for batch in run
        for i in range(len(batch.clip_ids))
        if batch.clip_ids[i] == "c5"
    }
    assert len(gains) == sum("c5" in batch.clip_ids for run in runs.values() for batch in run) > 1


def test_the_number_of_threads_changes_nothing(make_shards) -> None:
    index = make_shards(folds=(1,), per_fold=4, samples=(200_000,))
    before = torch.get_num_threads()
    batches = []
    try:
        for threads in (1, 2, 3):
            torch.set_num_threads(threads)
            batches.append(list(_stream(index, augmenters=[_Energy()]).epoch(0)))
            assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)
    _assert_equal(batches[0], batches[1])
    _assert_equal(batches[0], batches[2])


# Which clips there are ----------------------------------------------------------------------------


def test_every_clip_comes_once_where_the_batches_come_out_even(make_shards) -> None:
    stream = _stream(make_shards(per_fold=6), batch_size=4)
    assert (stream.steps_per_epoch, stream.left_out) == (3, 0)
    for epoch in range(3):
        assert sorted(_flat(stream, epoch)) == sorted(f"c{i}" for i in range(12))


def test_waveforms_and_targets_belong_to_their_clip_ids(make_shards) -> None:
    for batch in _stream(make_shards()).epoch(0):
        for i, clip_id in enumerate(batch.clip_ids):
            number = int(clip_id[1:])
            assert batch.waveform[i, 0] == pytest.approx(number / 100, abs=1e-4)
            assert batch.targets[i].tolist() == [float(number % 3 == k) for k in range(3)]


def test_the_remainder_is_counted_and_left_out_in_turn(make_shards) -> None:
    stream = _stream(make_shards(folds=(1, 2), per_fold=7), batch_size=4)
    assert (stream.steps_per_epoch, stream.left_out) == (3, 2)
    counts: Counter[str] = Counter()
    for epoch in range(7):  # 7 epochs × 2 clips: each of the 14 once
        clip_ids = _flat(stream, epoch)
        assert len(clip_ids) == len(set(clip_ids)) == 12
        counts.update(clip_ids)
    assert set(counts.values()) == {6}


def test_fewer_clips_than_a_batch_make_one_smaller_batch(make_shards) -> None:
    stream = _stream(make_shards(per_fold=3), batch_size=100)
    assert (stream.steps_per_epoch, stream.batch_size, stream.left_out) == (1, 6, 0)
    assert [len(clip_ids) for clip_ids in _clip_ids(stream)] == [6]


@pytest.mark.parametrize(
    ("world_size", "steps", "batch_size", "left_out"),
    [(2, 3, 4, 3), (3, 2, 4, 3), (5, 1, 4, 7), (9, 1, 3, 0)],
)
def test_ranks_share_the_clips_and_make_equally_many_batches(
    make_shards, world_size: int, steps: int, batch_size: int, left_out: int
) -> None:
    index = make_shards(folds=(1, 2, 3), per_fold=9)  # shards of 4, 4, 1, 4, 4, 1, 4, 4 and 1 clips
    streams = [
        _stream(index, rank=rank, world_size=world_size, batch_size=4 * world_size)
        for rank in range(world_size)
    ]
    seen: Counter[str] = Counter()
    for epoch in range(27):
        shares = [_clip_ids(stream, epoch) for stream in streams]
        assert {len(share) for share in shares} == {steps}
        assert {len(clip_ids) for share in shares for clip_ids in share} == {batch_size}
        clip_ids = [clip_id for share in shares for ids in share for clip_id in ids]
        assert len(clip_ids) == len(set(clip_ids)) == 27 - left_out
        seen.update(clip_ids)
    assert {stream.left_out for stream in streams} == {left_out}
    assert {stream.steps_per_epoch for stream in streams} == {steps}
    assert seen == {f"c{number}": 27 - left_out for number in range(27)}


@pytest.mark.parametrize("world_size", [2, 3, 6])
def test_more_ranks_are_the_same_recipe(make_shards, world_size: int) -> None:
    index = make_shards(folds=(1, 2), per_fold=9, clips_per_shard=2)
    alone = _stream(index, batch_size=6)
    for rank in range(world_size):
        shared = _stream(index, batch_size=6, rank=rank, world_size=world_size)
        assert shared.steps_per_epoch == alone.steps_per_epoch
        assert shared.left_out == alone.left_out
        assert shared.batch_size * world_size == alone.batch_size


def test_a_batch_that_the_ranks_cannot_share_is_an_error_before_anything_starts(
    make_shards,
) -> None:
    with pytest.raises(ConfigError, match=r"data\.batch_size 4 cannot be shared evenly by 3"):
        _stream(make_shards(), world_size=3)


def test_fewer_shards_than_ranks_is_an_error_before_anything_starts(make_shards) -> None:
    with pytest.raises(DataError, match="4 shards cannot be shared by 5 processes"):
        _stream(make_shards(), world_size=5)


def test_no_shard_is_opened_but_those_given(make_shards) -> None:
    index = make_shards(folds=(1, 2))
    for shard in index.select([2]):
        index.path(shard).unlink()
    stream = TrainStream(
        index, index.select([1]), config=DataConfig(num_workers=0), clip_augmenters=(), seed=0
    )
    assert sorted(_flat(stream)) == [f"c{number}" for number in range(6)]


# Balance and cache --------------------------------------------------------------------------------


def _classes(stream: TrainStream, epoch: int) -> list[float]:
    return sum(batch.targets.sum(0) for batch in stream.epoch(epoch)).tolist()


def test_balance_makes_rare_classes_as_frequent_as_the_others(tmp_path, make_manifest) -> None:
    manifest = make_manifest(folds=(1, 2), per_fold=9)
    clips = read_manifest(manifest)
    rare = [clip for clip in clips if clip.labels != ("dog",) or clip.clip_id == "c1"]
    write_manifest(manifest, rare)  # 6 cats, 1 dog, 6 times rain
    index = write_shards(manifest, tmp_path / "s", sample_rate=8000, clips_per_shard=4)
    stream = _stream(index, batch_size=4, balance=True)
    assert (stream.steps_per_epoch, stream.left_out) == (3, 1)
    for epoch in range(3):
        assert _classes(stream, epoch) == [4, 4, 4]
    assert _flat(stream, 0) != _flat(stream, 1)


@pytest.mark.parametrize("option", [{"balance": True}, {"cache": "memory"}])
def test_options_hold_whoever_makes_the_batches(make_shards, damage_flac, option) -> None:
    index = make_shards(folds=(1, 2, 3), per_fold=7, samples=(300, 400, 500))
    damage_flac(index, index.shards[0], 1)
    options = {"augmenters": [_Jitter(), _Tail()], "crop_s": 0.04, "shuffle_buffer": 5, **option}
    expected = list(_stream(index, **options).epoch(3))
    shared = _stream(index, num_workers=2, **options)
    _assert_equal(expected, list(shared.epoch(3)))
    _assert_equal(expected[2:], list(shared.epoch(3, 2)))
    if "cache" in option:
        _assert_equal(expected, list(_stream(index, **{**options, "cache": "none"}).epoch(3)))


def test_ranks_share_a_balanced_epoch(make_shards) -> None:
    index = make_shards(folds=(1, 2), per_fold=8)
    together = [
        clip_id
        for rank in range(2)
        for clip_id in _flat(_stream(index, rank=rank, world_size=2, balance=True))
    ]
    assert sorted(together) == sorted(_flat(_stream(index, balance=True)))


def test_a_cache_that_does_not_fit_is_refused_before_anything_is_read(
    make_shards, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("asclf.data.clips.available_memory", lambda: 100)
    with pytest.raises(DataError, match=r"set data\.cache=none"):
        _stream(make_shards(), cache="memory")


@pytest.mark.fault
def test_a_worker_that_hangs_ends_the_epoch(make_shards) -> None:
    class Hang:
        def augment_clip(self, waveform: Tensor, generator: Generator) -> Tensor:  # noqa: ARG002
            os.kill(os.getpid(), signal.SIGSTOP)
            return waveform

    stream = _stream(make_shards(), augmenters=[Hang()], num_workers=2, worker_timeout_s=0.3)
    with pytest.raises(DataError, match=r"worker 1 of 2 .* has made nothing for 0\.3 s"):
        list(stream.epoch(0))


# Cropping -----------------------------------------------------------------------------------------


def test_longer_clips_are_cropped_and_shorter_ones_padded(make_shards) -> None:
    index = make_shards(samples=(240, 400))
    for batch in _stream(index, crop_s=0.04, batch_size=12).epoch(0):  # 320 samples
        assert batch.waveform.shape == (12, 320)
        assert batch.lengths is not None
        odd = [int(clip_id[1:]) % 2 for clip_id in batch.clip_ids]
        assert batch.lengths.tolist() == [320 if is_odd else 240 for is_odd in odd]
        for waveform, length in zip(batch.waveform, batch.lengths, strict=True):
            assert not waveform[length:].any()


def test_crops_of_one_length_need_no_lengths(make_shards) -> None:
    for batch in _stream(make_shards(samples=(330, 400)), crop_s=0.04).epoch(0):
        assert batch.lengths is None
        assert batch.waveform.shape[1] == 320


def test_crops_lie_where_the_configuration_says(make_shards) -> None:
    index = make_shards(samples=(800, 800))
    streams = [_stream(index, crop_s=0.0005, crop_at=place) for place in ("anywhere", "sound")]
    anywhere, sound = (torch.cat([b.waveform for b in s.epoch(0)]) for s in streams)
    assert anywhere.shape == sound.shape
    assert not torch.equal(anywhere, sound)


# Broken clips and shards --------------------------------------------------------------------------


@pytest.mark.parametrize("workers", [0, 2])
def test_a_clip_that_cannot_be_decoded_is_left_out_named_and_logged(
    make_shards, damage_flac, caplog: pytest.LogCaptureFixture, workers: int
) -> None:
    index = make_shards()
    name = damage_flac(index, index.shards[0], 1)
    with caplog.at_level(logging.WARNING):
        batches = list(_stream(index, num_workers=workers).epoch(0))
    assert sorted(len(batch.clip_ids) for batch in batches) == [3, 4, 4]
    (batch,) = (batch for batch in batches if batch.skipped)
    assert len(batch.clip_ids) == len(batch.waveform) == len(batch.targets) == 3
    (reason,) = batch.skipped
    assert reason.startswith(f"{name}: cannot be decoded")
    assert [record.getMessage() for record in caplog.records] == [f"left out: {reason}"]


@pytest.mark.parametrize("workers", [0, 2])
def test_a_batch_of_which_nothing_is_left_comes_empty(
    make_shards, damage_flac, workers: int
) -> None:
    index = make_shards(per_fold=3)
    stream = _stream(index, batch_size=1, num_workers=workers)
    expected = _flat(stream)
    broken = damage_flac(index, index.shards[0], 0)
    batches = list(stream.epoch(0))
    for clip_id, batch in zip(expected, batches, strict=True):
        assert batch.clip_ids == (() if clip_id == broken else (clip_id,))
        assert [reason.split(":")[0] for reason in batch.skipped] == [broken] * (clip_id == broken)


def test_a_rank_does_not_make_fewer_batches_than_the_others(make_shards, damage_flac) -> None:
    index = make_shards(folds=(1,), per_fold=2, clips_per_shard=1)
    for shard in index.shards:
        damage_flac(index, shard, 0)
    with pytest.raises(DataError, match="not one clip of a batch can be decoded"):
        list(_stream(index, world_size=2).epoch(0))


@pytest.mark.parametrize("workers", [0, 2])
def test_a_cut_shard_stops_the_epoch_and_is_named(make_shards, workers: int) -> None:
    index = make_shards()
    path = index.path(index.shards[0])
    path.write_bytes(path.read_bytes()[:3000])
    with pytest.raises(DataError) as caught:
        list(_stream(index, num_workers=workers).epoch(0))
    assert caught.value.where == str(path)
    assert "run `asclf shard` again" in caught.value.hint


@pytest.mark.parametrize("workers", [0, 2])
def test_a_label_that_the_index_does_not_know_is_an_error(
    make_shards, relabel, workers: int
) -> None:
    index = relabel(make_shards(), ("cat", "rain"))
    with pytest.raises(DataError, match="the label 'dog' is not one of the 2 labels"):
        list(_stream(index, num_workers=workers).epoch(0))


# Stages -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [1, 3, 10, 50])
def test_shuffle_loses_and_repeats_nothing(size: int) -> None:
    items = list(shuffle(range(20), size, random.Random(0)))
    assert sorted(items) == list(range(20))
    assert (items == list(range(20))) == (size == 1)
    assert items == list(shuffle(range(20), size, random.Random(0)))


def test_shuffle_holds_no_more_than_its_size() -> None:
    taken = 0

    def numbers():
        nonlocal taken
        for number in range(20):
            taken += 1
            yield number

    for yielded, _ in enumerate(shuffle(numbers(), 5, random.Random(0))):
        assert taken <= yielded + 6


def test_groups_are_full_but_for_the_last() -> None:
    assert list(in_groups(range(7), 3)) == [[0, 1, 2], [3, 4, 5], [6]]
