"""The training loop: epochs of steps, a line and a state after each, final weights last."""

from __future__ import annotations

import json
import signal
import time
from typing import Any

import torch
from torch import Generator

from asclf.checkpoint import CheckpointMeta
from asclf.config.experiment import ExperimentConfig
from asclf.data.pipeline import TrainStream
from asclf.data.seeds import place_seed
from asclf.errors import TrainError
from asclf.files import write_whole
from asclf.protocols import Batch
from asclf.score.provenance import git_commit
from asclf.train.batch_norm import Statistics
from asclf.train.engine import Engine, StepResult
from asclf.train.folder import RunFolder
from asclf.train.init import InitReport
from asclf.train.keeper import Keeper
from asclf.train.nonfinite import NonFiniteWatch
from asclf.train.progress import Progress
from asclf.train.state import load_state, save_state
from asclf.train.stop import AskedToStop, StoppedError, never
from asclf.train.summary import summarise
from asclf.train.tally import EpochTally, RunTally


class Loop:
    """One run from its first or next epoch to its final weights.

    Args:
        config: The experiment, with the fold that is left out.
        engine: Holds the model and its optimizer, and runs the steps.
        keeper: Has the say in which weights are kept.
        stream: Batches of the training folds.
        folder: Where everything goes; already claimed.
        progress: Told of every step and epoch.
        start: What the model took from the checkpoint that the run starts from.
        asked_to_stop: Asked before every step.
    """

    def __init__(
        self,
        config: ExperimentConfig,
        engine: Engine,
        keeper: Keeper,
        *,
        stream: TrainStream,
        folder: RunFolder,
        progress: Progress,
        start: InitReport | None = None,
        asked_to_stop: AskedToStop = never,
    ) -> None:
        self.config = config
        self.engine = engine
        self.keeper = keeper
        self.stream = stream
        self.folder = folder
        self.progress = progress
        self.start = start
        self.asked_to_stop = asked_to_stop
        self.epochs = config.train.epochs
        self.scheduler = config.scheduler.build(
            total_steps=self.epochs * stream.steps_per_epoch,
            steps_per_epoch=stream.steps_per_epoch,
        )
        self.tally = RunTally()
        self.watch = NonFiniteWatch(folder.path, config.train.stop_after_nonfinite)
        self.statistics = Statistics(engine.model)

    def run(self) -> None:
        """Trains what is left of the run, averages, and writes the summary.

        Raises:
            StoppedError: It was asked to stop, and can go on from where it did.
            TrainError: There is nothing to learn from, or numbers are not finite.
        """
        if self.folder.resume.exists():
            tensors, self.tally = load_state(self.folder.resume)
            self.engine.load_state(self.folder.path, self._done(), tensors)
            self.keeper.load(tensors)
        self.tally.begin(git_commit())
        self.progress.start_run(
            self.folder.path.name,
            epochs=self.epochs,
            steps_per_epoch=self.stream.steps_per_epoch,
            done=self._done(),
        )
        while not self.keeper.is_over(self.tally):
            self._epoch(self.tally.epochs)
        self._finish()
        self.progress.end_run()

    def _done(self) -> int:
        """Steps of the run that are not done again, those included that were left out."""
        return self.tally.epochs * self.stream.steps_per_epoch + self.tally.current.batches

    def _epoch(self, epoch: int) -> None:
        """Trains what is left of an epoch."""
        sums = self.tally.current
        start = time.perf_counter() - sums.seconds
        for batch in self.stream.epoch(epoch, sums.batches):
            self._stop_if_asked()
            result = self._learn(batch, sums)
            sums.batches += 1
            last, sums.seconds = sums.seconds, time.perf_counter() - start
            if result is not None:
                self.progress.step(self._scalars(result, sums.seconds - last))
        self._check_not_empty(sums)
        self._end_epoch()

    def _learn(self, batch: Batch, sums: EpochTally) -> StepResult | None:
        """One step, added to the sums; `None` where it is left out."""
        sums.skipped += batch.skipped
        if not batch.clip_ids:
            return None
        step = self._done()
        self.statistics.keep()
        result = self._step(batch, step)
        if not self.watch.passes(result, batch, step):
            self.statistics.put_back()
            sums.nonfinite += 1
            return None
        sums.add(result)
        self.keeper.after_step()
        return result

    def _step(self, batch: Batch, step: int) -> StepResult:
        place = (step, self.engine.peers.rank)
        # dropout and the masks inside a network draw from torch's global generator
        torch.manual_seed(place_seed(self.config.seed, "network", *place))
        generator = Generator().manual_seed(place_seed(self.config.seed, "augment", *place))
        return self.engine.step(batch, self.scheduler.factor(step), generator)

    def _scalars(self, result: StepResult, seconds: float) -> dict[str, float]:
        """The numbers of the step just done."""
        return {
            "step": self._done(),
            "epoch": self.tally.epochs + 1,
            "loss": result.loss,
            "grad_norm": result.grad_norm,
            "lr": self.engine.learning_rate,
            "clips_per_s": result.clips / seconds,
            **self._monitored(),
        }

    def _monitored(self) -> dict[str, float]:
        """What the backbone wants to be watched, λ for one."""
        monitored = getattr(self.engine.model.backbone, "monitored", dict)
        return dict(monitored())

    def _stop_if_asked(self) -> None:
        """Keeps the state and ends the run, on all processes where one of them was asked to."""
        asked = self.asked_to_stop()
        if not any(self.engine.peers.totals([asked])):
            return
        if self.tally.current.batches:
            self._save_state()
        raise StoppedError(
            f"stopped after {self._done()} of {self.epochs * self.stream.steps_per_epoch} steps",
            where=self.folder.path,
            signal_number=asked or signal.SIGTERM,
        )

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

    def _record(self, sums: EpochTally) -> dict[str, Any]:
        """The epoch's line of metrics.jsonl."""
        return {
            "epoch": self.tally.epochs,
            **sums.means(),
            "lr": self.engine.learning_rate,
            "seconds": sums.seconds,
            "clips_per_s": sums.clips / sums.seconds,
            "skipped": len(sums.skipped),
            "retries": self.stream.retries,
            "nonfinite_steps": sums.nonfinite,
            **self._monitored(),
        }

    def _end_epoch(self) -> None:
        """Keeps what the epoch gave; all ranks take part, and the leading one writes."""
        record = self._record(self.tally.end_epoch())
        record |= self.keeper.end_epoch(self.tally, self._meta())
        if self.engine.peers.leads:
            self.folder.append_metrics(record)
        self._save_state()  # after all that, since it is what a resumed run believes
        self.keeper.forget(self.tally)
        self.progress.end_epoch(record)

    def _save_state(self) -> None:
        """Collects what is spread over ranks; the leading one writes."""
        state = self.engine.save_state(self.folder.path, self._done())
        if self.engine.peers.leads:
            tensors = {**state, **self.keeper.tensors()}
            save_state(self.folder.resume, tensors, self.tally, self._meta())

    def _finish(self) -> None:
        if not self.engine.peers.leads:
            return
        self.keeper.finish(self.tally)
        summary = summarise(self.config, self.stream, self.tally, self.start)
        write_whole(self.folder.summary, json.dumps(summary, indent=2) + "\n")

    def _meta(self) -> CheckpointMeta:
        labels = self.stream.index.labels.names
        return CheckpointMeta(self.config.to_yaml(), labels, self.tally.epochs)
