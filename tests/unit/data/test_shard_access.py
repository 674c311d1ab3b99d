from __future__ import annotations

from collections.abc import Callable

import pytest

from asclf.data.shard_access import stored_clips
from asclf.data.shard_index import ShardIndex
from asclf.data.shard_reader import read_samples
from asclf.errors import DataError


def test_stored_clips_are_those_that_reading_gives(make_shards: Callable[..., ShardIndex]) -> None:
    index = make_shards()
    for shard in index.shards:
        stored, samples = stored_clips(index, shard), list(read_samples(index, shard))
        assert [clip.read() for clip in stored] == [sample.flac for sample in samples]
        assert len({clip.where for clip in stored}) == shard.clips


@pytest.mark.parametrize("keep", [0.0, 0.1, 0.5, 0.8])
def test_a_shard_cut_short_is_named(make_shards: Callable[..., ShardIndex], keep: float) -> None:
    index = make_shards(samples=(8000,))
    path = index.path(index.shards[0])
    content = path.read_bytes()
    path.write_bytes(content[: int(keep * len(content))])
    with pytest.raises(DataError, match=r"the shard (cannot be read|holds \d+ clips)") as error:
        stored_clips(index, index.shards[0])
    assert error.value.where == str(path)


def test_a_missing_shard_is_named(make_shards: Callable[..., ShardIndex]) -> None:
    index = make_shards()
    index.path(index.shards[0]).unlink()
    with pytest.raises(DataError, match="the shard cannot be read: No such file"):
        stored_clips(index, index.shards[0])
