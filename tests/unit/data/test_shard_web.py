from __future__ import annotations

import logging
import multiprocessing
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import torch

from asclf.config.experiment import DataConfig
from asclf.data.clipset import score_batches
from asclf.data.pipeline import TrainStream
from asclf.data.shard_access import stored_clips
from asclf.data.shard_index import ShardIndex
from asclf.data.shard_web import ATTEMPTS, address, fetch, shards_at
from asclf.errors import DataError
from asclf.protocols import Batch

FAULTS = ["500", "cut", "corrupt", "stall", "", "503", "cut"]
RETRIES = 6


@pytest.fixture
def web(make_shards: Any, faulty_server: Any, tmp_path: Path) -> tuple[ShardIndex, ShardIndex]:
    """An index of shards in a folder, and of the same ones at an address."""
    local = make_shards(per_fold=9, samples=(300, 401))
    faulty_server.folder = local.folder
    remote = shards_at(faulty_server.url, cache=str(tmp_path / "cache"))
    faulty_server.requests.clear()
    return local, remote


def _stream(index: ShardIndex, workers: int = 0, **options: Any) -> TrainStream:
    config = DataConfig(num_workers=workers, batch_size=4, **options)
    return TrainStream(index, index.shards, config=config, clip_augmenters=(), seed=0)


def _assert_equal(first: list[Batch], second: list[Batch]) -> None:
    assert [batch.clip_ids for batch in first] == [batch.clip_ids for batch in second]
    for one, two in zip(first, second, strict=True):
        assert torch.equal(one.waveform, two.waveform)
        assert torch.equal(one.targets, two.targets)


def test_an_index_is_the_same_from_either_place(web) -> None:
    local, remote = web
    assert shards_at(str(local.folder)) == local
    assert remote.shards == local.shards
    assert (remote.labels, remote.manifest_hash) == (local.labels, local.manifest_hash)


@pytest.mark.fault
@pytest.mark.parametrize("workers", [0, 1, 2])
def test_training_survives_a_faulty_server_bit_by_bit(
    web, faulty_server, caplog: pytest.LogCaptureFixture, workers: int
) -> None:
    local, remote = web
    expected = list(_stream(local).epoch(0))
    faulty_server.faults = FAULTS.copy()
    stream = _stream(remote, workers)
    with caplog.at_level(logging.WARNING):
        _assert_equal(list(stream.epoch(0)), expected)
    assert faulty_server.faults == []
    assert stream.retries == RETRIES
    told = [record.getMessage() for record in caplog.records]
    assert len(told) == RETRIES
    assert all(message.startswith(f"{faulty_server.url}/fold") for message in told)
    for cause in ("500", "503", "connection ended", "sha256", "timed out"):
        assert any(cause in message for message in told), cause
    asked = Counter(name for name, _ in faulty_server.requests)
    assert sum(asked.values()) == len(remote.shards) + RETRIES  # no worker fetched for itself
    _assert_equal(list(stream.epoch(1)), list(_stream(local).epoch(1)))
    assert stream.retries == 0
    assert len(faulty_server.requests) == sum(asked.values())


def test_what_was_cut_goes_on_where_it_was_cut(web, faulty_server) -> None:
    local, remote = web
    shard = local.shards[0]
    faulty_server.faults = ["cut"]
    assert fetch(remote, shard, print).read_bytes() == local.path(shard).read_bytes()
    assert faulty_server.requests == [
        (shard.name, None),
        (shard.name, f"bytes={shard.bytes // 2}-"),
    ]


@pytest.mark.fault
@pytest.mark.parametrize(
    ("fault", "cause"),
    [("500", "HTTP Error 500"), ("corrupt", "what came has sha256"), ("stall", "timed out")],
)
@pytest.mark.parametrize("workers", [0, 2])
def test_a_shard_that_stays_broken_is_named_with_the_cause_and_the_tries(
    web, faulty_server, workers: int, fault: str, cause: str
) -> None:
    faulty_server.always = fault
    with pytest.raises(DataError, match=f"(?s)attempts? failed, .*{cause}") as caught:
        list(_stream(web[1], workers).epoch(0))
    assert caught.value.where.startswith(f"{faulty_server.url}/fold")
    tries = Counter(name for name, _ in faulty_server.requests)
    assert sum(tries.values()) <= ATTEMPTS + workers
    if not workers:
        assert caught.value.what.startswith(f"{ATTEMPTS} attempts failed")


def test_a_shard_that_is_not_there_is_asked_for_once(web, faulty_server) -> None:
    local, remote = web
    local.path(local.shards[0]).unlink()
    with pytest.raises(DataError, match="answers 404"):
        fetch(remote, local.shards[0], print)
    assert len(faulty_server.requests) == 1


def test_an_index_survives_faults_or_is_named(web, faulty_server, tmp_path: Path) -> None:
    faulty_server.faults = ["500", "cut", "stall"]
    assert shards_at(faulty_server.url).shards == web[0].shards
    (web[0].folder / "index.json").write_text("<html>log in first</html>")
    with pytest.raises(DataError, match="this is no index of shards") as caught:
        shards_at(faulty_server.url, cache=str(tmp_path))
    assert caught.value.where == f"{faulty_server.url}/index.json"
    faulty_server.always = "404"
    with pytest.raises(DataError, match="answers 404"):
        shards_at(faulty_server.url)


def test_scores_see_the_same_clips_from_either_place(web, faulty_server) -> None:
    local, remote = web
    faulty_server.faults = ["cut", "500"]
    wanted = remote.select([2])
    remote.verify(wanted)  # nothing is here yet
    _assert_equal(
        list(score_batches(remote, wanted, batch_size=4)),
        list(score_batches(local, wanted, batch_size=4)),
    )
    assert {name for name, _ in faulty_server.requests} == {shard.name for shard in wanted}
    for shard in wanted:
        ours, theirs = stored_clips(remote, shard), stored_clips(local, shard)
        assert [clip.read() for clip in ours] == [clip.read() for clip in theirs]


def test_a_shard_that_was_damaged_since_is_fetched_again(
    web, caplog: pytest.LogCaptureFixture
) -> None:
    local, remote = web
    shard = remote.shards[0]
    path = fetch(remote, shard, print)
    content = bytearray(path.read_bytes())
    content[700] ^= 1
    path.write_bytes(content)
    remote.verify(remote.shards)
    assert "it is thrown away" in caplog.text
    assert not path.exists()
    assert fetch(remote, shard, print).read_bytes() == local.path(shard).read_bytes()
    remote.verify(remote.shards)
    assert path.exists()


def test_processes_that_want_the_same_shard_fetch_it_once(web, faulty_server) -> None:
    shard = web[1].shards[0]
    context = multiprocessing.get_context("fork")
    processes = [context.Process(target=fetch, args=(web[1], shard, print)) for _ in range(4)]
    faulty_server.faults = ["cut", "cut"]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0, 0, 0, 0]
    assert len(faulty_server.requests) == 3


@pytest.mark.parametrize("option", [{"cache": "memory"}, {"balance": True}])
def test_what_is_read_ahead_of_the_epoch_is_counted_as_well(
    web, faulty_server, option: dict[str, Any]
) -> None:
    local, remote = web
    faulty_server.faults = ["500", "cut"]
    stream = _stream(remote, **option)
    _assert_equal(list(stream.epoch(0)), list(_stream(local, **option).epoch(0)))
    assert stream.retries == 2


def test_the_address_of_a_shard_keeps_the_query() -> None:
    assert address("https://host/a/b/", "x.tar") == "https://host/a/b/x.tar"
    assert address("https://host/a?key=1%2F2", "x.tar") == "https://host/a/x.tar?key=1%2F2"
