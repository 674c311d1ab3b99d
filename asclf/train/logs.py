"""The numbers of every step as lines of JSON, and what else a run writes down of its progress."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from io import FileIO
from pathlib import Path
from typing import Any

from asclf.errors import TrainError
from asclf.files import write_whole
from asclf.train.folder import RunFolder
from asclf.train.progress import Progress, Silent, Together
from asclf.train.tensorboard import TensorBoard


@contextmanager
def logged(progress: Progress, folder: RunFolder, *, tensorboard: bool) -> Iterator[Progress]:
    """Yields what tells `progress` and writes the same into a run's folder.

    Args:
        progress: Whoever else watches.
        folder: The run's; already claimed.
        tensorboard: Whether event files are written, where TensorBoard is installed.
    """
    with (
        StepLog(folder.steps) as steps,
        TensorBoard.into(folder.tensorboard, tensorboard) as events,
    ):
        yield Together(progress, steps, events)


class StepLog(Silent):
    """Writes `steps.jsonl`: a line for each step, with every number it is told.

    A run that goes on drops the lines of the steps that it does again, and the line in which it was
    cut short, so that the file reads as that of a run that was left alone.

    Args:
        path: The file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: FileIO | None = None

    def __enter__(self) -> StepLog:
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            self._file.close()

    def start_run(self, name: str, *, epochs: int, steps_per_epoch: int, done: int) -> None:  # noqa: ARG002
        """Opens the file behind the line of the last step that is not done again."""
        write_whole(self.path, b"".join(self._lines_until(done)))
        self._file = self.path.open("ab", buffering=0)

    def step(self, scalars: Mapping[str, float]) -> None:
        """Writes a line, at once: a process that is killed loses none that was told."""
        assert self._file is not None
        line = json.dumps(scalars).encode() + b"\n"
        try:
            if self._file.write(line) < len(line):  # what was left of the disk
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError as error:
            raise TrainError(
                f"cannot be written: {error.strerror}",
                where=self.path,
                hint="make room, then go on with --resume",
            ) from error

    def _lines_until(self, done: int) -> Iterator[bytes]:
        for line in self.path.read_bytes().splitlines(keepends=True) if self.path.exists() else ():
            if not line.endswith(b"\n") or _step_of(line) > done:
                return
            yield line


def _step_of(line: bytes) -> Any:
    return json.loads(line)["step"]
