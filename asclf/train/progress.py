"""What a training run tells whoever watches it: its logs, and the terminal (in `asclf.cli`)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol


class Progress(Protocol):
    """Receives the events of one run after another."""

    def start_run(self, name: str, *, epochs: int, steps_per_epoch: int, done: int) -> None:
        """A run begins, or goes on after `done` steps."""
        ...

    def step(self, scalars: Mapping[str, float]) -> None:
        """A step is done.

        Args:
            scalars: `step` and `epoch` (from 1), `loss` (mean over the batch), `grad_norm`, `lr`,
                `clips_per_s`, and what the backbone wants to be watched.
        """
        ...

    def end_epoch(self, record: Mapping[str, Any]) -> None:
        """An epoch is done; the record is the line of `metrics.jsonl`."""
        ...

    def end_run(self) -> None:
        """The run is done, and its final weights are written."""
        ...


class Silent:
    """Watches nothing."""

    def start_run(self, name: str, *, epochs: int, steps_per_epoch: int, done: int) -> None:
        """Says nothing."""

    def step(self, scalars: Mapping[str, float]) -> None:
        """Says nothing."""

    def end_epoch(self, record: Mapping[str, Any]) -> None:
        """Says nothing."""

    def end_run(self) -> None:
        """Says nothing."""


class Together:
    """Passes every event on to several watchers.

    Args:
        *watchers: In the order in which they are told.
    """

    def __init__(self, *watchers: Progress) -> None:
        self.watchers = watchers

    def start_run(self, name: str, *, epochs: int, steps_per_epoch: int, done: int) -> None:
        """Tells all."""
        for watcher in self.watchers:
            watcher.start_run(name, epochs=epochs, steps_per_epoch=steps_per_epoch, done=done)

    def step(self, scalars: Mapping[str, float]) -> None:
        """Tells all."""
        for watcher in self.watchers:
            watcher.step(scalars)

    def end_epoch(self, record: Mapping[str, Any]) -> None:
        """Tells all."""
        for watcher in self.watchers:
            watcher.end_epoch(record)

    def end_run(self) -> None:
        """Tells all."""
        for watcher in self.watchers:
            watcher.end_run()
