"""Leakage: in shards before training, in manifests, and in the datasets' own metadata."""

from __future__ import annotations

import csv
import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from asclf.data.leakage import (
    TraitReader,
    Traits,
    check_before_training,
    compare,
    exclude_overlap,
)
from asclf.data.leakage_manifest import (
    every_nth_parting,
    find_leakage,
    heard_traits,
    known_traits,
    official_partings,
    random_parting,
)
from asclf.data.manifest import Clip, read_manifest, write_manifest
from asclf.data.shards import ShardIndex, write_shards
from asclf.data.splits import train_and_test
from asclf.errors import DataError


def clip(name: str, source: str | None = None, **facts: object) -> Clip:
    return Clip(name, Path(f"{name}.wav"), ("dog",), source_id=source, **facts)


@pytest.fixture(scope="module")
def esc50(real_data: Path) -> list[Clip]:
    rows = _rows(real_data / "ESC-50" / "meta" / "esc50.csv")
    return [clip(row["filename"], row["src_file"], fold=int(row["fold"])) for row in rows]


@pytest.fixture(scope="module")
def urbansound(real_data: Path) -> list[Clip]:
    rows = _rows(real_data / "UrbanSound8K" / "metadata" / "UrbanSound8K.csv")
    return [clip(row["slice_file_name"], row["fsID"], fold=int(row["fold"])) for row in rows]


def _rows(table: Path) -> list[dict[str, str]]:
    with table.open(newline="") as file:
        return list(csv.DictReader(file))


def test_esc50_shares_sources_between_its_own_folds(esc50: list[Clip]) -> None:
    findings = find_leakage(known_traits(esc50), official_partings(esc50))
    assert [finding.name for finding in findings] == [f"fold {fold}" for fold in (1, 2, 3, 4)]
    assert {overlap.trait for f in findings for overlap in f.overlaps} == {"131943", "134049"}
    assert all(finding.share < 0.02 for finding in findings)


@pytest.mark.parametrize("seed", range(5))
def test_a_random_split_of_esc50_leaks_a_third(esc50: list[Clip], seed: int) -> None:
    (finding,) = find_leakage(known_traits(esc50), [random_parting(esc50, 0.2, seed)])
    assert finding.test_clips == 320
    assert finding.share == pytest.approx(0.35, abs=0.06)


def test_esc50_and_urbansound_share_recordings(esc50: list[Clip], urbansound: list[Clip]) -> None:
    finding = compare("target", known_traits(esc50), known_traits(urbansound))
    assert finding.count("source") == 13
    assert len(finding.origin) == 14
    kept, dropped = exclude_overlap(esc50, urbansound)
    assert len(dropped) == 14
    assert len(kept) == len(esc50) - 14
    assert not compare("target", known_traits(kept), known_traits(urbansound)).overlaps


def test_every_tenth_row_of_urbansound_leaks_nearly_all(urbansound: list[Clip]) -> None:
    (finding,) = find_leakage(known_traits(urbansound), [every_nth_parting(urbansound, 10)])
    assert round(100 * finding.share, 1) == 96.6


def test_what_is_in_common_is_told_by_kind_with_both_sides() -> None:
    train = [Traits("a", source="1", bytes="x"), Traits("b", source="1"), Traits("c", sound="s")]
    test = [Traits("d", source="1"), Traits("e", bytes="x"), Traits("f", source="2", sound="t")]
    finding = compare("fold 7", train, test)
    assert [(o.kind, o.trait, o.train, o.test) for o in finding.overlaps] == [
        ("source", "1", ("a", "b"), ("d",)),
        ("bytes", "x", ("a",), ("e",)),
    ]
    assert finding.unknown == {"source": 2, "bytes": 4, "sound": 4}
    assert str(finding) == (
        "fold 7: 2 of 3 test clips (66.7 %) and 2 of 3 training clips "
        "have 1 source, 1 equal file in common"
    )


def test_nothing_known_is_nothing_in_common() -> None:
    finding = compare("fold 1", [Traits("a")], [Traits("b")])
    assert not finding.overlaps
    assert str(finding) == "fold 1: none of 1 test clips has anything in common"


def test_splits_are_compared_where_there_are_no_folds() -> None:
    clips = [clip("a", "1", split="train"), clip("b", "1", split="test"), clip("c", "2")]
    (parting,) = official_partings(clips)
    assert (parting.name, parting.train, parting.test) == ("split test", (0, 2), (1,))
    with pytest.raises(DataError, match="neither folds nor splits"):
        official_partings([clip("a")])


def test_copies_are_heard_and_absent_audio_is_unknown(tmp_path: Path) -> None:
    noise = 0.1 * np.random.default_rng(0).standard_normal((2, 32_000))
    for name, samples in {"a": noise[0], "b": 0.3 * noise[0], "c": noise[1]}.items():
        soundfile.write(tmp_path / f"{name}.wav", samples, 16_000)
    clips = [Clip(name, tmp_path / f"{name}.wav", ("dog",)) for name in "abcd"]
    cut = replace(clips[2], clip_id="cut", start_s=0.5, duration_s=1.0)
    a, b, c, absent, part = heard_traits([*clips, cut])
    assert a.sound == b.sound == "like a"
    assert c.sound == part.sound == "like c"
    assert len({a.bytes, b.bytes, c.bytes, part.bytes}) == 4
    assert (absent.bytes, absent.sound) == (None, None)


@pytest.fixture
def leaky_shards(make_manifest: Callable[..., Path], tmp_path: Path) -> Callable[..., ShardIndex]:
    """Shards of two folds with 60 clips each, of which some share their source."""

    def make(num_shared: int) -> ShardIndex:
        manifest = make_manifest(per_fold=60)
        clips = read_manifest(manifest)
        shared = {i % 60 for i in range(num_shared)}
        sources = [f"s{i % 60}" if i % 60 in shared else f"own{i}" for i in range(120)]
        told = [replace(c, source_id=s) for c, s in zip(clips, sources, strict=True)]
        write_manifest(manifest, told)
        return write_shards(manifest, tmp_path / "shards", sample_rate=8000)

    return make


def test_few_leaks_of_official_folds_pass_and_are_told(
    leaky_shards: Callable[..., ShardIndex], caplog: pytest.LogCaptureFixture
) -> None:
    index = leaky_shards(1)
    with caplog.at_level(logging.WARNING):
        (finding,) = check_before_training(TraitReader(index), *train_and_test(index, 1))
    assert len(finding.leaked) == 1
    assert "leakage: training: 1 of 60 test clips" in caplog.text
    with pytest.raises(DataError, match=r"1 of 60 test clips .* --allow-leakage"):
        check_before_training(TraitReader(index), *train_and_test(index, 1), official=False)


def test_pretraining_on_the_training_clips_themselves_adds_no_leakage(
    leaky_shards: Callable[..., ShardIndex],
) -> None:
    index = leaky_shards(1)
    sources = {t.source for t in TraitReader(index).of(index.select([2])) if t.source}
    (finding,) = check_before_training(
        TraitReader(index), *train_and_test(index, 1), pretraining_sources=sources
    )
    assert finding.name == "training"
    assert len(finding.leaked) == 1


def test_many_leaks_are_refused_unless_allowed(leaky_shards: Callable[..., ShardIndex]) -> None:
    index = leaky_shards(30)
    halves = train_and_test(index, 2)
    with pytest.raises(DataError, match="30 of 60 test clips"):
        check_before_training(TraitReader(index), *halves)
    (finding,) = check_before_training(TraitReader(index), *halves, allow_leakage=True)
    assert finding.share == 0.5


def test_pretraining_on_a_source_of_the_test_clips_is_refused(
    leaky_shards: Callable[..., ShardIndex],
) -> None:
    index = leaky_shards(0)
    halves = train_and_test(index, 1)
    assert [f.overlaps for f in check_before_training(TraitReader(index), *halves)] == [()]
    with pytest.raises(DataError, match="pre-training: 1 of 60 test clips"):
        check_before_training(
            TraitReader(index), *halves, pretraining_sources={"own3", "elsewhere"}
        )
    assert (
        len(check_before_training(TraitReader(index), *halves, pretraining_sources={"elsewhere"}))
        == 2
    )


def test_equal_audio_is_found_in_shards(make_manifest: Callable[..., Path], tmp_path: Path) -> None:
    manifest = make_manifest()
    clips = read_manifest(manifest)
    write_manifest(manifest, [*clips[:-1], replace(clips[-1], path=clips[0].path)])
    index = write_shards(manifest, tmp_path / "shards", sample_rate=8000)
    with pytest.raises(DataError, match="1 equal file in common"):
        check_before_training(TraitReader(index), *train_and_test(index, 2))


@pytest.mark.parametrize("share", [0.1, 0.9])
def test_a_random_share_leaves_both_sides_a_clip(share: float) -> None:
    clips = [Clip(name, Path(f"{name}.wav"), ("x",)) for name in "abc"]
    parting = random_parting(clips, share, seed=0)
    assert parting.train
    assert parting.test
    assert {*parting.train, *parting.test} == {0, 1, 2}
