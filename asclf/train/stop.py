"""Stopping a run between two steps, when the system or a person asks for it."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import FrameType
from typing import Any

from asclf.errors import TrainError

AskedToStop = Callable[[], int]
"""Gives the number of the signal that asked a run to stop, or 0."""

SIGNALS = (signal.SIGTERM, signal.SIGINT)


class StoppedError(TrainError):
    """A run that was asked to stop, did so after a whole step, and can go on from there.

    Args:
        what: How far it got.
        where: Its folder.
        signal_number: What asked for it.
    """

    def __init__(self, what: str, *, where: object, signal_number: int) -> None:
        super().__init__(what, where=where, hint="go on with --resume")
        self.signal_number = signal_number

    @property
    def status(self) -> int:
        """What a process exits with, as a shell would say of one that died of that signal."""
        return 128 + self.signal_number


def never() -> int:
    """Nobody asks."""
    return 0


@contextmanager
def stop_on_signals() -> Iterator[AskedToStop]:
    """Notes SIGTERM and SIGINT inside the block, instead of dying of them at once.

    The second one takes its usual effect, for whoever will not wait for the step to end. To be
    entered in the main thread. Processes forked inside the block do not listen to the first one
    either: they are ended by their parent.
    """
    noted: list[int] = []
    before = {number: signal.getsignal(number) for number in SIGNALS}

    def note(number: int, _: FrameType | None) -> None:
        noted.append(number)
        _restore(before)

    try:
        for number in SIGNALS:
            signal.signal(number, note)
        yield lambda: noted[0] if noted else 0
    finally:
        _restore(before)


def _restore(handlers: Mapping[signal.Signals, Any]) -> None:
    for number, handler in handlers.items():
        signal.signal(number, handler)
