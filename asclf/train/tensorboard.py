"""The numbers of a run for TensorBoard, where that is installed (the extra `logs`)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from asclf.train.progress import Progress, Silent

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter


class TensorBoard(Silent):
    """Writes `step/…` and `epoch/…` curves, both over the step.

    Args:
        folder: Where event files go; a run that goes on adds one, and tells TensorBoard to hide
            what the older ones have of the steps that are done again.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._writer: SummaryWriter | None = None
        self._steps_per_epoch = 0

    @classmethod
    @contextmanager
    def into(cls, folder: Path, wanted: bool) -> Iterator[Progress]:
        """Yields one that is closed in the end; one that does nothing without TensorBoard."""
        if not (wanted and is_installed()):
            yield Silent()
            return
        events = cls(folder)
        try:
            yield events
        finally:
            events.close()

    def start_run(self, name: str, *, epochs: int, steps_per_epoch: int, done: int) -> None:  # noqa: ARG002
        """Opens a new event file."""
        from torch.utils.tensorboard import SummaryWriter

        self._steps_per_epoch = steps_per_epoch
        purge = done + 1 if done else None
        self._writer = SummaryWriter(str(self.folder), purge_step=purge)

    def step(self, scalars: Mapping[str, float]) -> None:
        """Adds a point to each curve of steps."""
        self._add("step", scalars, int(scalars["step"]))

    def end_epoch(self, record: Mapping[str, Any]) -> None:
        """Adds a point to each curve of epochs."""
        self._add("epoch", record, record["epoch"] * self._steps_per_epoch)

    def close(self) -> None:
        """Writes what is still held back."""
        if self._writer is not None:
            self._writer.close()

    def _add(self, group: str, scalars: Mapping[str, Any], step: int) -> None:
        assert self._writer is not None
        for name, value in scalars.items():
            if name not in ("step", "epoch") and isinstance(value, int | float):
                self._writer.add_scalar(f"{group}/{name}", value, step)


def is_installed() -> bool:
    """Whether torch can write for TensorBoard here."""
    try:
        import torch.utils.tensorboard  # noqa: F401
    except ImportError:
        return False
    return True
