"""The training loop: epochs of steps, a line and a state after each, averaged weights last."""

from __future__ import annotations

import json
import math
import time
from typing import Any

import torch
from torch import Generator
from torch.optim import Optimizer

from asclf.checkpoint import CheckpointMeta, average, save_checkpoint, save_tensors
from asclf.config.experiment import ExperimentConfig
from asclf.data.pipeline import TrainStream
from asclf.data.seeds import place_seed
from asclf.errors import TrainError
from asclf.files import write_whole
from asclf.protocols import Batch
from asclf.train.engine import TorchEngine
from asclf.train.folder import RunFolder
from asclf.train.progress import Progress
from asclf.train.state import Tally, load_state, save_state

SKIPPED_SHOWN = 50


class Loop:
    """One run from its first or next epoch to its final weights.

    Args:
        config: The experiment, with the fold that is left out.
        engine: Holds the model and runs the steps.
        optimizer: Over the engine's model.
        stream: Batches of the training folds.
        folder: Where everything goes; already claimed.
        progress: Told of every step and epoch.
    """

    def __init__(
        self,
        config: ExperimentConfig,
        engine: TorchEngine,
        *,
        optimizer: Optimizer,
        stream: TrainStream,
        folder: RunFolder,
        progress: Progress,
    ) -> None:
        self.config = config
        self.engine = engine
        self.optimizer = optimizer
        self.stream = stream
        self.folder = folder
        self.progress = progress
        self.epochs = config.train.epochs
        self.scheduler = config.scheduler.build(
            total_steps=self.epochs * stream.steps_per_epoch,
            steps_per_epoch=stream.steps_per_epoch,
        )
        for group in optimizer.param_groups:
            group["initial_lr"] = group["lr"]
        self.tally = Tally()

    def run(self) -> None:
        """Trains what is left of the run, averages, and writes the summary."""
        if self.folder.resume.exists():
            self.tally = load_state(self.folder.resume, self.engine.model, self.optimizer)
        self.progress.start_run(
            self.folder.path.name,
            epochs=self.epochs,
            done=self.tally.epoch,
            steps_per_epoch=self.stream.steps_per_epoch,
        )
        for epoch in range(self.tally.epoch, self.epochs):
            self._epoch(epoch)
        self._finish()
        self.progress.end_run()

    def _epoch(self, epoch: int) -> None:
        start, clips, hits, losses = time.perf_counter(), 0, 0, 0.0
        for i, batch in enumerate(self.stream.epoch(epoch)):
            step = epoch * self.stream.steps_per_epoch + i
            loss, right = self._step(batch, step)
            clips, hits = clips + len(batch.clip_ids), hits + right
            losses += loss * len(batch.clip_ids)
            self.tally.skipped += batch.skipped
            self.progress.step(loss)
        seconds = time.perf_counter() - start
        self.tally.epoch, self.tally.clips = epoch + 1, self.tally.clips + clips
        self.tally.seconds += seconds
        self._end_epoch(
            {
                "epoch": epoch + 1,
                "loss": losses / max(clips, 1),
                "accuracy": hits / max(clips, 1),
                "lr": self.optimizer.param_groups[0]["lr"],
                "seconds": seconds,
                "clips_per_s": clips / seconds,
                "skipped": len(self.tally.skipped),
                **self._monitored(),
            }
        )

    def _step(self, batch: Batch, step: int) -> tuple[float, int]:
        seed = self.config.seed
        # dropout and the masks inside a network draw from torch's global generator
        torch.manual_seed(place_seed(seed, "network", step))
        generator = Generator().manual_seed(place_seed(seed, "augment", step))
        factor = self.scheduler.factor(step)
        loss, hits = self.engine.step(batch, self.optimizer, factor, generator)
        if not math.isfinite(loss):
            raise TrainError(
                f"the loss is {loss} in step {step + 1}, on {', '.join(batch.clip_ids)}",
                where=self.folder.path,
                expected="a finite loss",
                hint="lower optimizer.lr, or look at those clips",
            )
        return loss, hits

    def _monitored(self) -> dict[str, float]:
        monitored = getattr(self.engine.model.backbone, "monitored", None)
        return monitored() if monitored else {}

    def _end_epoch(self, record: dict[str, Any]) -> None:
        epoch = self.tally.epoch
        first_kept = self.epochs - self.config.train.average_last + 1
        if epoch >= first_kept:
            save_checkpoint(self.folder.epoch(epoch), self.engine.model, self._meta())
        self.folder.append_metrics(record)
        # last, since this is what a resumed run believes
        save_state(self.folder.resume, self.engine.model, self.optimizer, self.tally, self._meta())
        self.progress.end_epoch(record)

    def _finish(self) -> None:
        first = max(1, self.epochs - self.config.train.average_last + 1)
        tensors, meta = average([self.folder.epoch(e) for e in range(first, self.epochs + 1)])
        save_tensors(self.folder.final, tensors, meta)
        write_whole(self.folder.summary, json.dumps(self._summary(first), indent=2) + "\n")

    def _summary(self, first_averaged: int) -> dict[str, Any]:
        return {
            "epochs": self.epochs,
            "steps": self.epochs * self.stream.steps_per_epoch,
            "minutes": self.tally.seconds / 60,
            "clips_seen": self.tally.clips,
            "clips_per_s": self.tally.clips / max(self.tally.seconds, 1e-9),
            "clips_left_out_per_epoch": self.stream.left_out,
            "clips_skipped": len(set(self.tally.skipped)),
            "skipped": sorted(set(self.tally.skipped))[:SKIPPED_SHOWN],
            "averaged_epochs": [first_averaged, self.epochs],
            "train_folds": sorted({s.fold for s in self.stream.shards if s.fold is not None}),
            "test_fold": self.config.data.test_fold,
            "seed": self.config.seed,
        }

    def _meta(self) -> CheckpointMeta:
        labels = self.stream.index.labels.names
        return CheckpointMeta(self.config.to_yaml(), labels, self.tally.epoch)
