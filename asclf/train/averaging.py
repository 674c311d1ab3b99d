"""Which epochs the final weights are made of, and when there is no use in going on.

Everything here follows from the configuration and from what is in the tally, so that a resumed run
decides as one that was not cut short.
"""

from __future__ import annotations

from asclf.config.experiment import TrainConfig
from asclf.train.tally import RunTally


class Averaging:
    """Chooses epochs, counted from 1, by their place or by their validation.

    Args:
        config: How many of which, and the patience.
    """

    def __init__(self, config: TrainConfig) -> None:
        self.config = config

    def chosen(self, tally: RunTally) -> list[int]:
        """The epochs that the final weights are the mean of, were the run to end now."""
        if self.config.average_best is not None:
            return sorted(best_first(tally)[: self.config.average_best])
        return [*range(max(1, tally.epochs - self.config.average_last + 1), tally.epochs + 1)]

    def may_be_chosen(self, tally: RunTally) -> list[int]:
        """The epochs so far whose weights may still be wanted at the end."""
        if self.config.average_best is not None or self.config.patience is not None:
            return self.chosen(tally)
        first = self.config.epochs - self.config.average_last + 1
        return [*range(max(1, first), tally.epochs + 1)]

    def is_over(self, tally: RunTally) -> bool:
        """Whether all epochs are done, or `patience` of them since the best one."""
        if tally.epochs >= self.config.epochs:
            return True
        patience = self.config.patience
        return bool(patience and tally.epochs and tally.epochs - best_first(tally)[0] >= patience)


def best_first(tally: RunTally) -> list[int]:
    """The epochs by their score on the validation clips, then by their loss, then the later one."""
    ranked = [(v.score, -v.loss, epoch) for epoch, v in enumerate(tally.validations, 1)]
    return [epoch for *_, epoch in sorted(ranked, reverse=True)]
