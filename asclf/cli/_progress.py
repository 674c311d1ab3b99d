"""Progress bars on stderr; where that is no terminal, the log lines are all there is."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
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
    """A bar of steps for the run at hand, and a log line for each epoch.

    Args:
        progress: What draws the bars.
    """

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._task = TaskID(0)
        self._name = ""
        self._epochs = 0

    def start_run(self, name: str, *, epochs: int, done: int, steps_per_epoch: int) -> None:
        """Opens the bar of a run, at the step where it goes on."""
        self._name, self._epochs = name, epochs
        self._task = self._progress.add_task(
            name, total=epochs * steps_per_epoch, completed=done * steps_per_epoch
        )
        logger.info("%s: %d epochs of %d steps, %d done", name, epochs, steps_per_epoch, done)

    def step(self, loss: float) -> None:
        """Moves the bar on."""
        title = f"{self._name} loss {loss:.3f}"
        self._progress.update(self._task, advance=1, description=title)

    def end_epoch(self, record: Mapping[str, Any]) -> None:
        """Logs the epoch."""
        logger.info(
            "%s: epoch %d of %d, loss %.3f, training accuracy %.1f %%, %.1f s, %.0f clips/s",
            self._name,
            record["epoch"],
            self._epochs,
            record["loss"],
            100 * record["accuracy"],
            record["seconds"],
            record["clips_per_s"],
        )

    def end_run(self) -> None:
        """Closes the bar."""
        self._progress.remove_task(self._task)


def _progress(unit: str) -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn(unit),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        disable=not sys.stderr.isatty(),
        transient=True,
    )
