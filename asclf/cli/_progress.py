"""Progress bars on stderr; where that is no terminal, the log lines are all there is."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

STEP_SCALARS = ("step", "epoch", "loss", "grad_norm", "lr", "clips_per_s")
"""What every run tells of a step; the rest is its backbone's."""
VALIDATION = ("validation_accuracy", "validation_map", "validation_loss")
"""What a run tells of an epoch where it has clips to validate on."""

logger = logging.getLogger(__name__)


@contextmanager
def bar(title: str, unit: str) -> Iterator[Callable[[int, int], None]]:
    """Shows a bar; yields what is to be called with the number done and the number in all."""
    with _progress(unit) as progress:
        task = progress.add_task(title, total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total)


@contextmanager
def counter(title: str, unit: str) -> Iterator[Callable[[int], None]]:
    """Counts towards an unknown end; yields what is to be called with each number just done."""
    with _progress(unit) as progress:
        task = progress.add_task(title, total=None)
        yield lambda done: progress.advance(task, done)


@contextmanager
def training_bars() -> Iterator[TrainingBars]:
    """Shows a bar for the run at hand; yields what `train_experiment` takes as `progress`."""
    with _progress("steps") as progress:
        yield TrainingBars(progress)


class TrainingBars:
    """A bar of steps for the run at hand with the last step's numbers, and a log line an epoch.

    Args:
        progress: What draws the bars.
    """

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._task = TaskID(0)
        self._name = ""
        self._epochs = 0
        self._watched: dict[str, float] = {}

    def start_run(self, name: str, *, epochs: int, steps_per_epoch: int, done: int) -> None:
        """Opens the bar of a run, at the step where it goes on."""
        self._name, self._epochs = name, epochs
        total = epochs * steps_per_epoch
        self._task = self._progress.add_task(name, total=total, completed=done)
        logger.info(
            "%s: %d epochs of %d steps, %d of %d done", name, epochs, steps_per_epoch, done, total
        )

    def step(self, scalars: Mapping[str, float]) -> None:
        """Moves the bar on."""
        self._watched = {name: scalars[name] for name in scalars if name not in STEP_SCALARS}
        title = (
            f"{self._name} epoch {scalars['epoch']} loss {scalars['loss']:.3f} "
            f"lr {scalars['lr']:.1e} {scalars['clips_per_s']:.0f} clips/s"
        )
        shown = " ".join([title, *_shown(self._watched)])
        self._progress.update(self._task, completed=scalars["step"], description=shown)

    def end_epoch(self, record: Mapping[str, Any]) -> None:
        """Logs the epoch."""
        left_s = (self._epochs - record["epoch"]) * record["seconds"]
        parts = [
            f"{self._name}: epoch {record['epoch']} of {self._epochs}",
            f"loss {record['loss']:.3f}",
            f"training accuracy {100 * record['accuracy']:.1f} %",
            *_shown({name: record[name] for name in VALIDATION if name in record}),
            f"lr {record['lr']:.2e}",
            *_shown(self._watched),
            f"{record['seconds']:.1f} s",
            f"{record['clips_per_s']:.0f} clips/s",
            f"{timedelta(seconds=round(left_s))} to go",
        ]
        logger.info(", ".join(parts))

    def end_run(self) -> None:
        """Closes the bar."""
        self._progress.remove_task(self._task)


def _shown(scalars: Mapping[str, float]) -> list[str]:
    return [f"{name.replace('_', ' ')} {value:.3g}" for name, value in scalars.items()]


def _progress(unit: str) -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(bar_width=20),
        MofNCompleteColumn(),
        TextColumn(unit),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        disable=not sys.stderr.isatty(),
        transient=True,
    )
