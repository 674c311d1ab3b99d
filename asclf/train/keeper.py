"""What is kept of the weights of each epoch, and what becomes of it in the end.

The weights of an epoch are those that the engine trained, or their moving average. They are
measured on the validation clips, where there are any; saved, if they may still be among those that
the final weights are the mean of; and deleted when that is over.
"""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from asclf.checkpoint import CheckpointMeta, average, save_tensors
from asclf.config.experiment import ExperimentConfig
from asclf.train.averaging import Averaging
from asclf.train.ema import MovingAverage
from asclf.train.engine import Engine
from asclf.train.folder import RunFolder
from asclf.train.tally import RunTally
from asclf.train.validation import Validation, Validator


class Keeper:
    """Validates, saves and averages the weights of epochs.

    Args:
        config: The experiment.
        engine: Has the weights.
        folder: Where they go.
        validator: Measures them, where there are clips for that.

    Raises:
        ConfigError: A moving average is asked for, and the engine has no weights to take it of.
    """

    def __init__(
        self,
        config: ExperimentConfig,
        engine: Engine,
        folder: RunFolder,
        validator: Validator | None = None,
    ) -> None:
        self.engine = engine
        self.folder = folder
        self.validator = validator
        self.averaging = Averaging(config.train)
        self.moving = MovingAverage.of(engine, config.train.ema)

    def is_over(self, tally: RunTally) -> bool:
        """Whether training further is of no use."""
        return self.averaging.is_over(tally)

    def after_step(self) -> None:
        """Takes in the weights of a step that changed them."""
        if self.moving is not None:
            self.moving.update(self.engine.model)

    def tensors(self) -> dict[str, Tensor]:
        """What a run needs to go on, beside the engine's state."""
        return {} if self.moving is None else self.moving.tensors()

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Takes back what `tensors` gave; others are passed over."""
        if self.moving is not None:
            self.moving.load(tensors)

    def end_epoch(self, tally: RunTally, meta: CheckpointMeta) -> dict[str, float]:
        """Validates and saves the weights of an epoch, into the tally and the folder; a collective.

        Returns:
            What the epoch's line of metrics.jsonl says of it.
        """
        if self.validator is None and tally.epochs not in self.averaging.may_be_chosen(tally):
            return {}
        weights = (self.moving or self.engine).weights()
        measured = {} if self.validator is None else self._validate(self.validator, weights, tally)
        if self.engine.peers.leads and tally.epochs in self.averaging.may_be_chosen(tally):
            save_tensors(self.folder.epoch(tally.epochs), weights, meta)
        return measured

    def forget(self, tally: RunTally) -> None:
        """Deletes what cannot be averaged any more; to be called when the tally is on disk."""
        if self.engine.peers.leads:
            self.folder.keep_epochs(self.averaging.may_be_chosen(tally))

    def finish(self, tally: RunTally) -> None:
        """Writes the final weights; to be called by the leading rank alone."""
        chosen = [self.folder.epoch(epoch) for epoch in self.averaging.chosen(tally)]
        save_tensors(self.folder.final, *average(chosen))

    def _validate(
        self, validator: Validator, weights: Mapping[str, Tensor], tally: RunTally
    ) -> dict[str, float]:
        peers = self.engine.peers
        validation = Validation()
        with peers.as_one():
            if peers.leads:
                validation = validator.measure(weights)
        validation = peers.agree(validation)
        tally.validations += (validation,)
        return validator.record(validation)
