"""The training loop: epochs of steps, a line and a state after each, averaged weights last."""

from __future__ import annotations

import json
import time
from typing import Any

import torch
from torch import Generator

from asclf.checkpoint import CheckpointMeta, average, save_tensors
from asclf.config.experiment import ExperimentConfig
from asclf.data.pipeline import TrainStream
from asclf.data.seeds import place_seed
from asclf.errors import TrainError
from asclf.files import write_whole
from asclf.protocols import Batch
from asclf.score.provenance import git_commit
from asclf.train.engine import Engine, StepResult
from asclf.train.folder import RunFolder
from asclf.train.init import InitReport
from asclf.train.nonfinite import NAMES_SHOWN, NonFiniteWatch
from asclf.train.progress import Progress
from asclf.train.state import load_state, save_state
from asclf.train.tally import EpochTally, RunTally


class Loop:
    """One run from its first or next epoch to its final weights.

    Args:
        config: The experiment, with the fold that is left out.
        engine: Holds the model and its optimizer, and runs the steps.
        stream: Batches of the training folds.
        folder: Where everything goes; already claimed.
        progress: Told of every step and epoch.
        start: What the model took from the checkpoint that the run starts from.
    """

    def __init__(
        self,
        config: ExperimentConfig,
        engine: Engine,
        *,
        stream: TrainStream,
        folder: RunFolder,
        progress: Progress,
        start: InitReport | None = None,
    ) -> None:
        self.config = config
        self.engine = engine
        self.stream = stream
        self.folder = folder
        self.progress = progress
        self.start = start
        self.epochs = config.train.epochs
        self.scheduler = config.scheduler.build(
            total_steps=self.epochs * stream.steps_per_epoch,
            steps_per_epoch=stream.steps_per_epoch,
        )
        self.tally = RunTally()
        self.watch = NonFiniteWatch(folder.path, config.train.stop_after_nonfinite)

    def run(self) -> None:
        """Trains what is left of the run, averages, and writes the summary."""
        if self.folder.resume.exists():
            tensors, self.tally = load_state(self.folder.resume)
            self.engine.load_state(self.folder.path, self.tally.epochs, tensors)
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
                if self.watch.passes(result, batch, step):
                    sums.add(result)
                    self.progress.step(result.loss)
                else:
                    sums.nonfinite += 1
        self._check_not_empty(sums)
        seconds = time.perf_counter() - start
        self.tally.add(sums, seconds)
        self._end_epoch(self._record(sums, seconds))

    def _step(self, batch: Batch, step: int) -> StepResult:
        place = (step, self.engine.peers.rank)
        # dropout and the masks inside a network draw from torch's global generator
        torch.manual_seed(place_seed(self.config.seed, "network", *place))
        generator = Generator().manual_seed(place_seed(self.config.seed, "augment", *place))
        return self.engine.step(batch, self.scheduler.factor(step), generator)

    def _check_not_empty(self, sums: EpochTally) -> None:
        if not sums.clips and sums.nonfinite:
            raise TrainError(
                "not one step of an epoch had a finite loss and gradient",
                where=self.folder.path,
                hint="lower optimizer.lr",
            )
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
            "lr": self.engine.learning_rate,
            "seconds": seconds,
            "clips_per_s": sums.clips / seconds,
            "skipped": len(sums.skipped),
            "nonfinite_steps": sums.nonfinite,
            **monitored(),
        }

    def _end_epoch(self, record: dict[str, Any]) -> None:
        """Collects what is spread over ranks; the leading one writes."""
        epoch, meta = self.tally.epochs, self._meta()
        weights = self.engine.weights() if epoch >= self._first_averaged() else None
        state = self.engine.save_state(self.folder.path, epoch)
        if self.engine.peers.leads:
            if weights is not None:
                save_tensors(self.folder.epoch(epoch), weights, meta)
            self.folder.append_metrics(record)
            # last, since this is what a resumed run believes
            save_state(self.folder.resume, state, self.tally, meta)
        self.progress.end_epoch(record)

    def _first_averaged(self) -> int:
        return max(1, self.epochs - self.config.train.average_last + 1)

    def _finish(self) -> None:
        if not self.engine.peers.leads:
            return
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
            "nonfinite_steps": tally.nonfinite,
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
