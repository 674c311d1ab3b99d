"""Which clip goes into which shard: a function of the manifest alone."""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from asclf.data.manifest import Clip, Split

Home = tuple[int | None, Split | None]


@dataclass(frozen=True)
class ShardPlan:
    """A shard that is to be written: its stem, and its clips, all of one fold and one split."""

    stem: str
    fold: int | None
    split: Split | None
    clips: tuple[Clip, ...]

    def fingerprint(self, sample_rate: int) -> str:
        """SHA-256 of all that decides the shard's bytes: clips, sample rate, source files.

        A source file counts by its size and time of change, so that it need not be
        decoded to see whether a shard is still true.
        """
        facts = [sample_rate, *(_facts(clip) for clip in self.clips)]
        return hashlib.sha256(json.dumps(facts).encode("utf-8")).hexdigest()


def plan_shards(clips: Iterable[Clip], clips_per_shard: int) -> list[ShardPlan]:
    """Deals clips to shards of one fold and one split each.

    Within a fold the clips are ordered by a hash of their ids: a manifest that is sorted by class
    gives mixed shards, and training's shuffle buffer need not span a whole fold.
    """
    homes: dict[Home, list[Clip]] = defaultdict(list)
    for clip in sorted(clips, key=_mixed):
        homes[clip.fold, clip.split].append(clip)
    plans = [plan for home in homes.items() for plan in _deal(*home, clips_per_shard)]
    return sorted(plans, key=lambda plan: plan.stem)


def _mixed(clip: Clip) -> bytes:
    return hashlib.sha256(clip.clip_id.encode("utf-8")).digest()


def _deal(home: Home, clips: list[Clip], clips_per_shard: int) -> Iterator[ShardPlan]:
    fold, split = home
    words = [] if fold is None else [f"fold{fold}"]
    prefix = "-".join([*words, *([split] if split else [])]) or "all"
    for number, start in enumerate(range(0, len(clips), clips_per_shard)):
        part = tuple(clips[start : start + clips_per_shard])
        yield ShardPlan(f"{prefix}-{number:05d}", fold, split, part)


def _facts(clip: Clip) -> list[object]:
    try:
        stat = clip.path.stat()
        source = [stat.st_size, stat.st_mtime_ns]
    except OSError:
        source = []
    home = [clip.fold, clip.split, clip.source_id]
    return [clip.clip_id, clip.labels, clip.start_s, clip.duration_s, *home, *source]
