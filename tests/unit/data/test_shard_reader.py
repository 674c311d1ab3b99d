from __future__ import annotations

import io
import pickle
import tarfile
from dataclasses import replace
from pathlib import Path

import pytest

from asclf.data.shard_index import ShardIndex
from asclf.data.shard_reader import read_samples
from asclf.errors import DataError


def _read(index: ShardIndex, number: int = 0) -> list[str]:
    return [sample.facts.clip_id for sample in read_samples(index, index.shards[number])]


def _write_tar(path: Path, members: dict[str, bytes]) -> None:
    with tarfile.open(path, "w") as tar:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))


def test_a_sample_says_where_it_is_from(make_shards) -> None:
    index = make_shards()
    sample = next(read_samples(index, index.shards[0]))
    assert sample.where == f"{index.folder / 'fold1-00000.tar'}: clip {sample.facts.clip_id}"


@pytest.mark.parametrize("part", [0.0, 0.001, 0.3, 0.5, 0.9])
def test_a_cut_shard_is_named_wherever_it_is_cut(make_shards, part: float) -> None:
    index = make_shards(folds=(1,))
    path = index.path(index.shards[0])
    content = path.read_bytes()
    path.write_bytes(content[: int(part * len(content.rstrip(b"\0")))])
    with pytest.raises(DataError) as caught:
        _read(index)
    assert caught.value.where == str(path)
    assert "run `asclf shard` again" in caught.value.hint


def test_a_shard_cut_between_two_clips_is_found(make_shards) -> None:
    index = make_shards(folds=(1,))
    path = index.path(index.shards[0])
    with tarfile.open(path) as tar:
        start = tar.getmembers()[4].offset
    path.write_bytes(path.read_bytes()[:start])
    with pytest.raises(DataError, match="the shard holds 2 clips; expected 4"):
        _read(index)


def test_a_shard_with_more_clips_than_the_index_says_is_found(make_shards) -> None:
    index = make_shards(folds=(1,))
    fewer = replace(index.shards[0], clips=3)
    with pytest.raises(DataError, match="the shard holds 4 clips; expected 3"):
        list(read_samples(index, fewer))


def test_a_missing_shard_is_named(make_shards) -> None:
    index = make_shards()
    index.path(index.shards[0]).unlink()
    with pytest.raises(DataError, match=r"fold1-00000\.tar: the shard cannot be read"):
        _read(index)


@pytest.mark.parametrize(
    "members",
    [
        {"a.flac": b"fLaC"},
        {"a.json": b"{}"},
        {"a.flac": b"fLaC", "a.json": b"no json"},
        {"a.flac": b"fLaC", "a.json": b'{"clip_id": "a", "labels": ["dog"], "samples": "many"}'},
        {"a.flac": b"fLaC", "a.pyd": pickle.dumps("harmless"), "a.wav": b"RIFF"},
    ],
)
def test_a_foreign_tar_is_refused_and_never_unpickled(
    make_shards, members: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    index = make_shards()
    _write_tar(index.path(index.shards[0]), members)
    monkeypatch.setattr(pickle, "loads", lambda *_: pytest.fail("unpickled"))
    with pytest.raises(DataError, match="the entry 'a' is no clip"):
        _read(index)
