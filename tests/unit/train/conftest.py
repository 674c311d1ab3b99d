"""A toy problem: three tones in noise, two folds, and a network that learns them in a second."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from asclf.data.manifest import Clip, write_manifest
from asclf.data.shards import ShardIndex, ShardInfo, write_shards
from asclf.files import sha256_of
from asclf.train.progress import Progress
from asclf.train.run import train_experiment
from asclf.train.stop import AskedToStop, never

SAMPLE_RATE = 8000
TONES_HZ = {"high": 2500, "low": 300, "mid": 1000}
CLIPS_PER_FOLD = 9

TOY = """
sample_rate: 8000
frontend: {type: fbank, num_mel_bins: 20, mean_norm: false}  # a mean would take the tones away
augmenters: [{type: gain, prob: 1.0}, {type: mixup}, {type: spec_augment, max_time_frames: 4}]
backbone: {type: spectromasknet_small, channels: [4, 4, 4, 4], depths: [1, 1, 1, 1]}
data: {batch_size: 4, num_workers: 0, crop_s: 0.2, test_fold: 1}
scheduler: {type: warmup_cosine, warmup_epochs: 1}
train: {epochs: 4, average_last: 2, num_threads: 1, tensorboard: false}
"""

Train = Callable[..., Path]


@pytest.fixture(scope="session")
def toy_shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Shards of folds 1 and 2, nine clips of 0.3 s each; not to be changed."""
    return write_toy_shards(tmp_path_factory.mktemp("toy"), folds=(1, 2))


@pytest.fixture(scope="session")
def three_folds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Shards of folds 1, 2 and 4, one of which can be validated on; not to be changed."""
    return write_toy_shards(tmp_path_factory.mktemp("three"), folds=(1, 2, 4))


def write_toy_shards(folder: Path, folds: Sequence[int]) -> Path:
    """Nine clips of 0.3 s for each fold, in two shards each; the manifest lies beside them."""
    rng = np.random.default_rng(0)
    seconds = np.arange(round(0.3 * SAMPLE_RATE)) / SAMPLE_RATE
    clips = []
    for fold in folds:
        for i in range(CLIPS_PER_FOLD):
            label = sorted(TONES_HZ)[i % len(TONES_HZ)]
            phase = 2 * np.pi * TONES_HZ[label] * seconds + rng.uniform(0, 2 * np.pi)
            path = folder / f"{fold}-{i}.wav"
            noise = 0.02 * rng.standard_normal(len(seconds))
            soundfile.write(path, 0.3 * np.sin(phase) + noise, SAMPLE_RATE)
            clips.append(Clip(path.stem, path, (label,), fold=fold))
    write_manifest(folder / "manifest.jsonl", clips)
    out = folder / "shards"
    write_shards(folder / "manifest.jsonl", out, sample_rate=SAMPLE_RATE, clips_per_shard=5)
    return out


@pytest.fixture
def own_shards(toy_shards: Path, tmp_path: Path) -> Path:
    """A copy of the shards, to be damaged."""
    return shutil.copytree(toy_shards, tmp_path / "own_shards")


@pytest.fixture
def toy_config(toy_shards: Path, tmp_path: Path) -> Path:
    """The configuration file of the toy problem."""
    return write_config(tmp_path / "toy.yaml", toy_shards)


@pytest.fixture
def train(toy_config: Path) -> Train:
    """Trains the toy problem into an experiment folder and returns the first run's folder."""
    return trainer(toy_config)


@pytest.fixture(scope="session")
def train_once(toy_shards: Path, tmp_path_factory: pytest.TempPathFactory) -> Train:
    """The same for runs that many tests look at; not to be changed."""
    return trainer(write_config(tmp_path_factory.mktemp("runs") / "toy.yaml", toy_shards))


def write_config(path: Path, shards: Path) -> Path:
    path.write_text(TOY.replace("data: {", f"data: {{shards: {shards}, "), encoding="utf-8")
    return path


def trainer(config: Path) -> Train:
    """What trains a configuration into folders beside it."""

    def train(
        exp: str,
        *overrides: str,
        folds: Sequence[int] | None = None,
        resume: bool = False,
        progress: Progress | None = None,
        allow_leakage: bool = False,
        asked_to_stop: AskedToStop = never,
    ) -> Path:
        runs = train_experiment(
            config,
            config.parent / exp,
            overrides=overrides,
            folds=folds,
            resume=resume,
            progress=progress,
            allow_leakage=allow_leakage,
            asked_to_stop=asked_to_stop,
        )
        return runs[0]

    return train


@pytest.fixture
def break_clips(
    damage_flac: Callable[[ShardIndex, ShardInfo, int], str],
) -> Callable[[Path, int], list[str]]:
    """Zeroes the audio of the first clips of fold 2, as if it had been written so."""

    def break_clips(shards: Path, count: int) -> list[str]:
        index = ShardIndex.load(shards)
        places = [(s, i) for s in index.select([2]) for i in range(s.clips)][:count]
        names = [damage_flac(index, shard, number) for shard, number in places]
        hashed = [replace(s, sha256=sha256_of(index.path(s))) for s in index.shards]
        replace(index, shards=tuple(hashed)).save()
        return names

    return break_clips
