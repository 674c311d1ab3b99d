from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

import asclf.data.clips
from asclf.data.clips import DecodedClips, ShardedClips, check_memory
from asclf.data.manifest import Clip, write_manifest
from asclf.data.shard_reader import Sample, read_samples
from asclf.data.shards import write_shards
from asclf.errors import AudioError, DataError


def test_decoded_clips_are_bit_by_bit_those_of_the_shards(make_shards) -> None:
    index = make_shards(samples=(300, 401))
    places = [(shard, number) for shard in index.shards for number in range(shard.clips)]
    stored = list(ShardedClips(index).read(places, print))
    decoded = list(DecodedClips(index, index.shards, print).read(places, print))
    assert [sample.facts for sample in decoded] == [sample.facts for sample in stored]
    for one, two in zip(decoded, stored, strict=True):
        np.testing.assert_array_equal(one.decode(index.sample_rate), two.decode(index.sample_rate))


def test_a_clip_comes_as_often_as_it_is_wanted(make_shards) -> None:
    index = make_shards(folds=(1,), per_fold=4)
    (shard,) = index.shards
    ids = [sample.facts.clip_id for sample in read_samples(index, shard)]
    places = [(shard, number) for number in (0, 0, 2, 3, 3, 3)]
    for clips in (ShardedClips(index), DecodedClips(index, [shard], print)):
        found = [sample.facts.clip_id for sample in clips.read(places, print)]
        assert found == [ids[number] for _, number in places]


def test_a_broken_clip_is_the_same_error_from_memory(make_shards, damage_flac) -> None:
    index = make_shards()
    shard = index.shards[0]
    damage_flac(index, shard, 1)
    messages = []
    for clips in (ShardedClips(index), DecodedClips(index, [shard], print)):
        (sample,) = clips.read([(shard, 1)], print)
        with pytest.raises(AudioError) as caught:
            sample.decode(index.sample_rate)
        messages.append((caught.value.what, caught.value.where))
    assert messages[0] == messages[1]


def test_finer_samples_than_16_bits_are_refused(
    make_shards, monkeypatch: pytest.MonkeyPatch
) -> None:
    index = make_shards()
    monkeypatch.setattr(Sample, "decode", lambda *_: np.float32([0.1]))
    with pytest.raises(DataError, match=r"more than 16 bits a sample; set data\.cache=none"):
        DecodedClips(index, index.shards, print)


def test_a_set_that_is_too_large_for_the_memory_is_refused(
    make_shards, monkeypatch: pytest.MonkeyPatch
) -> None:
    index = make_shards()
    large = [replace(index.shards[0], samples=10**12)]
    with pytest.raises(DataError, match=r"take 2000\.00 GB of memory; expected at most the [\d.]+"):
        check_memory(index, large)
    check_memory(index, index.shards)
    monkeypatch.setattr(asclf.data.clips, "available_memory", lambda: None)
    check_memory(index, large)


def test_every_16_bit_sample_survives(tmp_path: Path) -> None:
    samples = np.arange(-(1 << 15), 1 << 15).astype(np.int16)
    soundfile.write(tmp_path / "a.wav", samples, 8000)
    write_manifest(tmp_path / "m.jsonl", [Clip("a", tmp_path / "a.wav", ("all",))])
    index = write_shards(tmp_path / "m.jsonl", tmp_path / "s", sample_rate=8000)
    (sample,) = DecodedClips(index, index.shards, print).read([(index.shards[0], 0)], print)
    assert (sample.decode(8000) * (1 << 15)).tolist() == samples.tolist()
