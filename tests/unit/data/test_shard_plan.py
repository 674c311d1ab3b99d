from __future__ import annotations

import os
from pathlib import Path

from asclf.data.manifest import Clip
from asclf.data.shard_plan import plan_shards


def _clips(count: int, **home: object) -> list[Clip]:
    return [Clip(f"{home}{i}", Path(f"{i}.wav"), ("dog",), **home) for i in range(count)]


def test_a_shard_holds_clips_of_one_fold_and_one_split() -> None:
    clips = _clips(5, fold=1) + _clips(3, fold=2) + _clips(4, split="train") + _clips(1)
    clips += _clips(2, fold=2, split="test")
    plans = plan_shards(clips, 2)
    assert [plan.stem for plan in plans] == [
        *("all-00000", "fold1-00000", "fold1-00001", "fold1-00002"),
        *("fold2-00000", "fold2-00001", "fold2-test-00000", "train-00000", "train-00001"),
    ]
    for plan in plans:
        assert {(clip.fold, clip.split) for clip in plan.clips} == {(plan.fold, plan.split)}
        assert len(plan.clips) <= 2
    assert sorted(clip.clip_id for plan in plans for clip in plan.clips) == sorted(
        clip.clip_id for clip in clips
    )


def test_the_order_of_the_manifest_does_not_matter() -> None:
    clips = _clips(20, fold=1)
    assert plan_shards(clips, 7) == plan_shards(clips[::-1], 7)


def test_a_manifest_sorted_by_class_gives_mixed_shards() -> None:
    clips = [Clip(f"{i:03d}", Path("a.wav"), (f"class {i // 50}",)) for i in range(200)]
    for plan in plan_shards(clips, 50):
        assert len({clip.labels for clip in plan.clips}) == 4


def test_the_fingerprint_changes_with_the_source_file_the_rate_and_the_clip(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(b"1234")
    os.utime(path, ns=(10, 10))

    def fingerprint(rate: int = 16000, **changes: object) -> str:
        facts = {"clip_id": "a", "path": path, "labels": ("dog",), **changes}
        return plan_shards([Clip(**facts)], 10)[0].fingerprint(rate)

    first = fingerprint()
    assert first == fingerprint()
    others = {fingerprint(8000), fingerprint(labels=("cat",)), fingerprint(start_s=0.5)}
    os.utime(path, ns=(10, 11))
    others.add(fingerprint())
    path.write_bytes(b"12345")
    os.utime(path, ns=(10, 10))
    others.add(fingerprint())
    path.unlink()
    others.add(fingerprint())
    assert len(others - {first}) == 6
