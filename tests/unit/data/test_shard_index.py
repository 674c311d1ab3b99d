from __future__ import annotations

import json
from pathlib import Path

import pytest

from asclf.data.shard_index import ShardIndex
from asclf.errors import DataError


def test_verify_finds_a_shard_cut_in_half(make_shards) -> None:
    index = make_shards()
    index.verify(index.shards)
    path = index.path(index.shards[1])
    path.write_bytes(path.read_bytes()[: index.shards[1].bytes // 2])
    with pytest.raises(DataError) as caught:
        index.verify(index.shards)
    error = caught.value
    assert error.where == str(path)
    assert f"{index.shards[1].bytes // 2} bytes" in error.what
    assert error.expected == str(index.shards[1].bytes)
    assert error.hint == "delete it and run `asclf shard` again"


@pytest.mark.parametrize("place", [0, 0.5, 1])
def test_verify_finds_one_flipped_bit_anywhere(make_shards, place: float) -> None:
    index = make_shards()
    path = index.path(index.shards[0])
    content = bytearray(path.read_bytes())
    content[int(place * (len(content) - 1))] ^= 1
    path.write_bytes(content)
    with pytest.raises(DataError) as caught:
        index.verify(index.shards)
    assert caught.value.where == str(path)
    assert caught.value.expected == index.shards[0].sha256


def test_verify_finds_a_missing_shard(make_shards) -> None:
    index = make_shards()
    index.path(index.shards[2]).unlink()
    with pytest.raises(DataError, match=r"fold2-00000\.tar: .*write the shards again"):
        index.verify(index.shards)


def test_verify_opens_no_shard_but_those_given(make_shards) -> None:
    index = make_shards()
    for shard in index.select([2]):
        index.path(shard).unlink()
    index.verify(index.select([1]))


def test_select_gives_the_shards_of_some_folds(make_shards) -> None:
    index = make_shards(folds=(1, 2, 4), per_fold=5)
    assert {shard.fold for shard in index.select([4, 1])} == {1, 4}
    assert sum(shard.clips for shard in index.select([4, 1])) == 10


def test_select_names_the_folds_that_there_are(make_shards) -> None:
    with pytest.raises(DataError) as caught:
        make_shards(folds=(1, 2, 4)).select([1, 3])
    assert "no fold 3" in caught.value.what
    assert caught.value.expected == "one of the folds 1, 2, 4"


def test_a_folder_without_an_index_says_which_stage_is_missing(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="write the shards first"):
        ShardIndex.load(tmp_path)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("format", 2),
        ("sample_rate", "16000"),
        ("labels", {"names": []}),
        ("labels", {"names": ["dog", "dog"]}),
        ("shards", []),
        ("surprise", 1),
    ],
)
def test_an_index_that_was_tampered_with_is_refused(make_shards, key: str, value: object) -> None:
    index = make_shards()
    path = index.folder / "index.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), key: value}))
    with pytest.raises(DataError):
        ShardIndex.load(index.folder)


@pytest.mark.parametrize("name", ["../fold1-00000.tar", "/etc/passwd", "a/b.tar", "fold1.zip"])
def test_an_index_cannot_lead_out_of_its_folder(make_shards, name: str) -> None:
    index = make_shards()
    path = index.folder / "index.json"
    path.write_text(path.read_text().replace(index.shards[0].name, name))
    with pytest.raises(DataError, match=r"shards\.0\.name"):
        ShardIndex.load(index.folder)


def test_half_an_index_is_refused(make_shards) -> None:
    index = make_shards()
    path = index.folder / "index.json"
    path.write_text(path.read_text()[:200])
    with pytest.raises(DataError, match="no index of shards"):
        ShardIndex.load(index.folder)


def test_the_index_does_not_say_where_it_lies(make_shards, tmp_path: Path) -> None:
    index = make_shards()
    assert str(tmp_path) not in (index.folder / "index.json").read_text()
    moved = index.folder.rename(tmp_path / "elsewhere")
    ShardIndex.load(moved).verify(index.shards)
