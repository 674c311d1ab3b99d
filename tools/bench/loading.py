"""What data loading costs a training step: with batches from shards, and with one cached batch.

    python tools/bench/loading.py --audio ESC-50/audio

Steps are those of `asclf train` with `conf/train/scratch.yaml`, augmentation in the data worker and
all; the cached batch came from the same stream. Stretches of both take turns, and while the cached
batch is trained on the worker rests. The first batch of an epoch, before which nothing is read
ahead, is timed by itself. The goal is a ratio of at most 1.05 for `spectromasknet`.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from statistics import median
from time import perf_counter

import torch
from _timing import report
from torch import Generator

from asclf.audio.folder import find_recordings
from asclf.config.experiment import ExperimentConfig, load_experiment
from asclf.data.manifest import Clip, write_manifest
from asclf.data.pipeline import TrainStream
from asclf.data.shard_index import ShardIndex
from asclf.data.shards import write_shards
from asclf.data.training_set import TrainingSet
from asclf.device import keep_freed_memory
from asclf.model import AudioClassifier, build_classifier
from asclf.protocols import Batch
from asclf.train.engine import Engine
from asclf.train.engines import build_engine

RECIPE = Path(__file__).parents[2] / "conf" / "train" / "scratch.yaml"
CLASSES = 50


def main(argv: Sequence[str] | None = None) -> int:
    """Times both kinds of steps in turn, prints the table and writes it."""
    options = _parse(argv)
    keep_freed_memory()  # as `asclf train` does
    torch.manual_seed(0)
    overrides = [f"backbone.type={options.model}", *options.overrides]
    config = load_experiment(RECIPE, overrides)
    model = build_classifier(config, num_classes=CLASSES)
    with tempfile.TemporaryDirectory() as folder:
        clips = options.steps * config.data.batch_size
        index = _shards(options.audio, clips, config.sample_rate, Path(folder))
        engine = build_engine(config, model, TrainingSet(index, index.shards, None))
        timing = Timing(engine, _stream(index, config, model))
        for _ in range(options.rounds):
            timing.round()
    title = (
        f"Training step of {options.model}: batch {config.data.batch_size}, crops of "
        f"{config.data.crop_s} s, {torch.get_num_threads()} threads, "
        f"{config.data.num_workers} worker, median of {options.rounds} rounds of {options.steps}"
    )
    report(title, [timing.row(options.model)], options.json)
    return 0


class Timing:
    """Seconds of steps with batches from a stream, and with one that is kept."""

    def __init__(self, engine: Engine, stream: TrainStream) -> None:
        self.engine = engine
        self.stream = stream
        self.cached = next(stream.epoch(0))
        self.first: list[float] = []
        self.loaded: list[float] = []
        self.kept: list[float] = []
        self._step(self.cached)  # to warm up

    def round(self) -> None:
        """One epoch, and as many steps with the kept batch."""
        start = perf_counter()
        with closing(self.stream.epoch(len(self.first))) as batches:
            self._step(next(batches))
            self.first.append(perf_counter() - start)
            self.loaded.append(self._mean_step(batches))
        kept = [self.cached] * (self.stream.steps_per_epoch - 1)
        self.kept.append(self._mean_step(iter(kept)))

    def row(self, name: str) -> dict[str, object]:
        """The line of the table."""
        ratios = [loaded / kept for loaded, kept in zip(self.loaded, self.kept, strict=True)]
        return {
            "model": name,
            "from shards_ms": 1000 * median(self.loaded),
            "cached_ms": 1000 * median(self.kept),
            "ratio": median(ratios),
            "lowest ratio": min(ratios),
            "highest ratio": max(ratios),
            "first step_ms": 1000 * median(self.first),
        }

    def _mean_step(self, batches: Iterator[Batch]) -> float:
        """Seconds a step, the wait for its batch included."""
        start, steps = perf_counter(), 0
        for batch in batches:
            self._step(batch)
            steps += 1
        return (perf_counter() - start) / steps

    def _step(self, batch: Batch) -> None:
        torch.manual_seed(0)
        self.engine.step(batch, 1.0, Generator().manual_seed(0))


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    default = Path(os.environ.get("ASCLF_DATA", ".")) / "ESC-50" / "audio"
    parser.add_argument("--audio", type=Path, default=default, help="folder of recordings")
    parser.add_argument("--model", default="spectromasknet", help="the backbone")
    parser.add_argument("--steps", type=int, default=8, help="steps of an epoch (default 8)")
    parser.add_argument("--rounds", type=int, default=5, help="epochs of each kind (default 5)")
    parser.add_argument("--json", type=Path, default=Path("exp/bench/loading.json"), metavar="FILE")
    parser.add_argument(
        "overrides", nargs="*", default=["data.crop_s=4.0"], metavar="key.path=value"
    )
    return parser.parse_args(argv)


def _shards(audio: Path, clips: int, sample_rate: int, folder: Path) -> ShardIndex:
    """Shards of recordings that lie far apart in their folder; the classes are made up."""
    files = find_recordings(audio)
    if len(files) < clips:
        raise SystemExit(f"{audio}: {len(files)} recordings; expected at least {clips}")
    chosen = files[:: len(files) // clips][:clips]
    listed = [Clip(str(i), path, (str(i % CLASSES),)) for i, path in enumerate(chosen)]
    write_manifest(folder / "manifest.jsonl", listed)
    return write_shards(folder / "manifest.jsonl", folder / "shards", sample_rate=sample_rate)


def _stream(index: ShardIndex, config: ExperimentConfig, model: AudioClassifier) -> TrainStream:
    augmenters = model.clip_augmenters
    return TrainStream(index, index.shards, config=config.data, clip_augmenters=augmenters, seed=0)


if __name__ == "__main__":
    sys.exit(main())
