"""What a training run tells whoever watches it; the terminal's view is in `asclf.cli`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol


class Progress(Protocol):
    """Receives the events of one run after another."""

    def start_run(self, name: str, *, epochs: int, done: int, steps_per_epoch: int) -> None:
        """A run begins, or goes on after `done` epochs."""
        ...

    def step(self, loss: float) -> None:
        """A step is done; its loss, mean over the batch."""
        ...

    def end_epoch(self, record: Mapping[str, Any]) -> None:
        """An epoch is done; the record is the line of `metrics.jsonl`."""
        ...

    def end_run(self) -> None:
        """The run is done, and its final weights are written."""
        ...


class Silent:
    """Watches nothing."""

    def start_run(self, name: str, *, epochs: int, done: int, steps_per_epoch: int) -> None:
        """Says nothing."""

    def step(self, loss: float) -> None:
        """Says nothing."""

    def end_epoch(self, record: Mapping[str, Any]) -> None:
        """Says nothing."""

    def end_run(self) -> None:
        """Says nothing."""
