"""A small corpus of synthetic clips, and its shards."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from asclf.data.labels import LabelMap
from asclf.data.manifest import Clip, write_manifest
from asclf.data.shards import ShardIndex, write_shards

RATE = 8000
LABELS = ("cat", "dog", "rain")

MakeManifest = Callable[..., Path]
MakeShards = Callable[..., ShardIndex]


def _write_clip(path: Path, number: int, samples: int) -> None:
    # The first sample tells the clip: clip n starts with n / 100.
    waveform = 0.1 * np.random.default_rng(number).standard_normal(samples)
    waveform[0] = number / 100
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, waveform, RATE, subtype="PCM_16")


@pytest.fixture
def make_manifest(tmp_path: Path) -> MakeManifest:
    """Writes WAV files and the manifest of `folds`, each of `per_fold` clips."""

    def make(
        folds: tuple[int | None, ...] = (1, 2), per_fold: int = 6, samples: tuple[int, ...] = (400,)
    ) -> Path:
        clips = []
        for number in range(per_fold * len(folds)):
            path = tmp_path / "corpus" / "audio" / f"{number}.wav"
            _write_clip(path, number, samples[number % len(samples)])
            label = LABELS[number % len(LABELS)]
            clips.append(Clip(f"c{number}", path, (label,), fold=folds[number // per_fold]))
        manifest = tmp_path / "corpus" / "manifest.jsonl"
        write_manifest(manifest, clips)
        return manifest

    return make


@pytest.fixture
def make_shards(tmp_path: Path, make_manifest: MakeManifest) -> MakeShards:
    """Writes a corpus (see `make_manifest`) and shards of `clips_per_shard` clips."""

    def make(*, clips_per_shard: int = 4, **corpus: object) -> ShardIndex:
        manifest = make_manifest(**corpus)
        out = tmp_path / "shards"
        return write_shards(manifest, out, sample_rate=RATE, clips_per_shard=clips_per_shard)

    return make


@pytest.fixture
def relabel() -> Callable[[ShardIndex, tuple[str, ...]], ShardIndex]:
    """Gives an index other labels than its shards have."""
    return lambda index, names: replace(index, labels=LabelMap(names))
