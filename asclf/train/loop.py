"""The training loop: epochs of steps, a line and a state after each, averaged weights last."""

from __future__ import annotations

import json
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
from asclf.score.provenance import git_commit
from asclf.train.engine import StepResult, TorchEngine
from asclf.train.folder import RunFolder
from asclf.train.init import InitReport
from asclf.train.progress import Progress
from asclf.train.state import load_state, save_state
from asclf.train.tally import EpochTally, RunTally

NAMES_SHOWN = 50
"""Most clips that a message or the summary names."""


class Loop:
    """One run from its first or next epoch to its final weights.

    Args:
        config: The experiment, with the fold that is left out.
        engine: Holds the model and runs the steps.
        optimizer: Over the engine's model.
        stream: Batches of the training folds.
        folder: Where everything goes; already claimed.
        progress: Told of every step and epoch.
        start: What the model took from the checkpoint that the run starts from.
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
        start: InitReport | None = None,
    ) -> None:
        self.config = config
        self.engine = engine
        self.optimizer = optimizer
        self.stream = stream
        self.folder = folder
        self.progress = progress
        self.start = start
        self.epochs = config.train.epochs
        self.scheduler = config.scheduler.build(
            total_steps=self.epochs * stream.steps_per_epoch,
            steps_per_epoch=stream.steps_per_epoch,
        )
        for group in optimizer.param_groups:
            group["initial_lr"] = group["lr"]
        self.tally = RunTally()

    def run(self) -> None:
        """Trains what is left of the run, averages, and writes the summary."""
        if self.folder.resume.exists():
            self.tally = load_state(self.folder.resume, self.engine.model, self.optimizer)
        self.tally.begin(git_commit())
        self.progress.start_run(
            self.folder.path.name,
            epochs=self.epochs,
            done=self.tally.epochs,
            steps_per_epoch=self.stream.steps_per_epoch,
        )
        for epoch in range(self.tally.epochs, self.epochs):
            self._epoch(epoch)
        self._finish()
        self.progress.end_run()

    def _epoch(self, epoch: int) -> None:
        start = time.perf_counter()
        sums = EpochTally()
        first_step = epoch * self.stream.steps_per_epoch
        for step, batch in enumerate(self.stream.epoch(epoch), first_step):
            sums.skipped += batch.skipped
            if batch.clip_ids:
                result = self._step(batch, step)
                sums.add(result)
                self.progress.step(result.loss)
        self._check_not_empty(sums)
        seconds = time.perf_counter() - start
        self.tally.add(sums, seconds)
        self._end_epoch(self._record(sums, seconds))

    def _step(self, batch: Batch, step: int) -> StepResult:
        seed = self.config.seed
        # dropout and the masks inside a network draw from torch's global generator
        torch.manual_seed(place_seed(seed, "network", step))
        generator = Generator().manual_seed(place_seed(seed, "augment", step))
        factor = self.scheduler.factor(step)
        result = self.engine.step(batch, self.optimizer, factor, generator)
        if not result.is_finite:
            raise TrainError(
                f"in step {step + 1} the loss is {result.loss:.4g} and the norm of its gradient "
                f"{result.grad_norm:.4g}, on {', '.join(batch.clip_ids[:NAMES_SHOWN])}",
                where=self.folder.path,
                expected="finite numbers",
                hint="lower optimizer.lr, or look at those clips",
            )
        return result

    def _check_not_empty(self, sums: EpochTally) -> None:
        if not sums.clips:
            raise TrainError(
                f"not one clip can be decoded; the first: {sums.skipped[0]}",
                where=self.stream.index.folder,
                expected="clips to train on",
                hint="delete the shards and write them again",
            )

    def _record(self, sums: EpochTally, seconds: float) -> dict[str, Any]:
        """The epoch's line of metrics.jsonl."""
        monitored = getattr(self.engine.model.backbone, "monitored", dict)
        return {
            "epoch": self.tally.epochs,
            **sums.means(),
            "lr": self.optimizer.param_groups[0]["lr"],
            "seconds": seconds,
            "clips_per_s": sums.clips / seconds,
            "skipped": len(sums.skipped),
            **monitored(),
        }

    def _end_epoch(self, record: dict[str, Any]) -> None:
        epoch, model, meta = self.tally.epochs, self.engine.model, self._meta()
        if epoch >= self._first_averaged():
            save_checkpoint(self.folder.epoch(epoch), model, meta)
        self.folder.append_metrics(record)
        # last, since this is what a resumed run believes
        save_state(self.folder.resume, model, self.optimizer, self.tally, meta)
        self.progress.end_epoch(record)

    def _first_averaged(self) -> int:
        return max(1, self.epochs - self.config.train.average_last + 1)

    def _finish(self) -> None:
        averaged = range(self._first_averaged(), self.epochs + 1)
        tensors, meta = average([self.folder.epoch(epoch) for epoch in averaged])
        save_tensors(self.folder.final, tensors, meta)
        write_whole(self.folder.summary, json.dumps(self._summary(), indent=2) + "\n")

    def _summary(self) -> dict[str, Any]:
        tally = self.tally
        return {
            "epochs": tally.epochs,
            "steps": tally.steps,
            "minutes": tally.seconds / 60,
            "clips_seen": tally.clips,
            "clips_per_s": tally.clips / tally.seconds,
            "train_clips": self.stream.clips,
            "clips_left_out_per_epoch": self.stream.left_out,
            "clips_skipped": len(tally.skipped),
            "skipped": sorted(tally.skipped)[:NAMES_SHOWN],
            "averaged_epochs": [self._first_averaged(), self.epochs],
            "train_folds": sorted({s.fold for s in self.stream.shards if s.fold is not None}),
            "test_fold": self.config.data.test_fold,
            "seed": self.config.seed,
            "init": None if self.start is None else self.start.as_dict(),
            "commits": tally.commits,
        }

    def _meta(self) -> CheckpointMeta:
        labels = self.stream.index.labels.names
        return CheckpointMeta(self.config.to_yaml(), labels, self.tally.epochs)
