from __future__ import annotations

from collections import Counter
from pathlib import Path

from asclf.data.dealing import Dealing
from asclf.data.manifest import Clip

CLIPS = [
    Clip(f"clip-{i}", Path("x.wav"), ("dog",), fold=i % 3 + 1, source_id=f"source-{i // 10}")
    for i in range(50)
]


def test_folds_are_of_equal_size_and_do_not_follow_the_sources() -> None:
    dealt = Dealing(5).deal(CLIPS)
    assert Counter(clip.fold for clip in dealt) == dict.fromkeys(range(1, 6), 10)
    for number in range(5):
        folds = {clip.fold for clip in dealt if clip.source_id == f"source-{number}"}
        assert len(folds) > 1


def test_all_but_fold_and_split_stays_as_it_was_in_the_order_it_had() -> None:
    dealt = Dealing(2).deal([Clip("a", Path("a.wav"), ("dog",), split="test", source_id="s")])
    assert dealt == [Clip("a", Path("a.wav"), ("dog",), fold=1, source_id="s")]
    assert [clip.clip_id for clip in Dealing(2).deal(CLIPS)] == [clip.clip_id for clip in CLIPS]


def test_a_clip_comes_to_the_same_fold_whatever_the_order_and_to_others_by_seed() -> None:
    def folds(dealt: list[Clip]) -> dict[str, int | None]:
        return {clip.clip_id: clip.fold for clip in dealt}

    assert folds(Dealing(5).deal(CLIPS)) == folds(Dealing(5).deal(CLIPS[::-1]))
    assert folds(Dealing(5).deal(CLIPS)) != folds(Dealing(5, seed=1).deal(CLIPS))


def test_another_dealing_stands_for_another_manifest() -> None:
    hashes = {dealing.hash_with("ab") for dealing in (Dealing(2), Dealing(3), Dealing(2, seed=1))}
    assert len(hashes) == 3
    assert all(len(digest) == 64 for digest in hashes)
