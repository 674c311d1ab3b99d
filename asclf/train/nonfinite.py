"""Steps whose loss or gradient is not finite: passed over, named, and not too many of them."""

from __future__ import annotations

import logging
from pathlib import Path

from asclf.errors import TrainError
from asclf.protocols import Batch
from asclf.train.engine import StepResult

NAMES_SHOWN = 50
"""Most clips that a message names."""

logger = logging.getLogger(__name__)


class NonFiniteWatch:
    """Counts the steps that changed no weight because a number in them was not finite.

    Args:
        folder: The run's, for messages.
        most_in_a_row: So many one after another stop the run.
    """

    def __init__(self, folder: Path, most_in_a_row: int) -> None:
        self.folder = folder
        self.most_in_a_row = most_in_a_row
        self.in_a_row = 0

    def passes(self, result: StepResult, batch: Batch, step: int) -> bool:
        """Whether a step counts; says so where it does not, with this rank's clips.

        Raises:
            TrainError: It is one too many.
        """
        if result.is_finite:
            self.in_a_row = 0
            return True
        self.in_a_row += 1
        what = (
            f"in step {step + 1} the loss is {result.loss:.4g} and the norm of its gradient "
            f"{result.grad_norm:.4g}, on {', '.join(batch.clip_ids[:NAMES_SHOWN])}"
        )
        if self.in_a_row >= self.most_in_a_row:
            raise TrainError(
                f"{what}; {self.in_a_row} steps in a row were like that",
                where=self.folder,
                expected="finite numbers",
                hint="lower optimizer.lr, set train.grad_clip, or look at those clips",
            )
        logger.warning("%s: this step is left out", what)
        return False
