"""Streams made by several processes, collected in turn; one that dies or hangs is named.

torch's `DataLoader` is not used: its timeout covers the wait for a batch, but not the taking of one
from a worker that was stopped with it on the way (see `parcels`), and it reports a dead worker by
an exception from a signal handler, in whatever line the caller happens to be. Workers ignore SIGINT
and SIGTERM, which are meant for the process that started them.

The processes outlive a stream. To fork anew each epoch would cost seconds and memory: by then the
training process holds the buffers of its steps, and must copy every page that it writes to.
"""

from __future__ import annotations

import math
import multiprocessing
import signal
import socket
import sys
import traceback
import weakref
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from functools import partial
from typing import Any, Generic, Literal, TypeVar

import torch

from asclf.data.parcels import receive, send
from asclf.errors import AsclfError, DataError

T = TypeVar("T")
Note = Callable[[str], None]
"""Tells the process that takes the items something on the way to the next one."""
MakeStream = Callable[[Any, int, int, Note], Iterable[T]]
"""Makes, of a job, the part of worker w among n: items w, w + n, w + 2n, … of its stream."""
Message = tuple[Literal["item", "note", "error", "crash", "end"], Any]

AHEAD = 1
"""Items that a worker has sent before they are asked for; it holds one more, made and not sent."""
FAREWELL_S = 5.0


class Workers(Generic[T]):
    """Processes that make one stream after another; they end with this object.

    They are forked where the system can: a spawned one imports torch anew. Forking is safe for a
    `make` that computes with one thread, touches no accelerator and takes no lock of its parent.
    Where only spawning is possible, `make` must be picklable. Jobs always must.

    Args:
        make: The streams.
        count: Number of processes.
        timeout_s: Longest wait for an item or a note.

    Attributes:
        stop: Ends the processes; so does a stream that fails or is left early.
    """

    def __init__(self, make: MakeStream[T], count: int, *, timeout_s: float) -> None:
        self.timeout_s = timeout_s
        self.members = [_Worker(make, number, count) for number in range(count)]
        self.stop = weakref.finalize(self, _stop, self.members)

    @property
    def is_stopped(self) -> bool:
        """Whether the processes have been ended."""
        return not self.stop.alive

    def run(self, job: object, on_note: Note) -> Iterator[T]:
        """Yields the items of a job's streams in turn, each stream made in a process of its own.

        Args:
            job: What `make` is told.
            on_note: Told, in this process, what `make` notes.

        Raises:
            AsclfError: What `make` raised, as it raised it.
            DataError: A worker died, or made nothing for too long; names it.
        """
        try:
            for worker in self.members:
                worker.begin(job)
            yield from self._collect(on_note)
        except BaseException:
            self.stop()
            raise

    def _collect(self, on_note: Note) -> Iterator[T]:
        due = deque(self.members)
        while due:
            kind, value = due[0].receive(self.timeout_s)
            if kind == "end":
                due.popleft()
            elif kind == "note":
                on_note(value)
            else:
                due.rotate(-1)
                yield value


def _stop(workers: Iterable[_Worker]) -> None:
    for worker in workers:
        worker.stop()


class _Worker:
    """A process, seen from the one that started it."""

    def __init__(self, make: MakeStream[Any], number: int, workers: int) -> None:
        self.channel, theirs = socket.socketpair()
        arguments = (make, number, workers, self.channel, theirs)
        self.process = _context().Process(target=_work, args=arguments, daemon=True)
        self.process.start()
        theirs.close()
        self.name = f"data worker {number + 1} of {workers} (process {self.process.pid})"

    def begin(self, job: object) -> None:
        """Gives it something to do."""
        with suppress(OSError):  # where it has died meanwhile, `receive` says so
            send(self.channel, job)

    def receive(self, timeout_s: float) -> Message:
        """Takes the next message; one that tells of a failure is raised."""
        try:
            message: Message = receive(self.channel, timeout_s)
        except TimeoutError as error:
            raise DataError(
                f"{self.name} has made nothing for {timeout_s:g} s",
                hint="if it is only slow, raise data.worker_timeout_s",
            ) from error
        except EOFError as error:
            raise DataError(
                f"{self.name} died: {self._fate()}",
                hint="if memory ran out, lower data.num_workers or data.shuffle_buffer",
            ) from error
        kind, value = message
        if kind == "error":
            raise value
        if kind == "crash":
            raise RuntimeError(f"in {self.name}:\n{value}")
        if kind == "item":
            self._ask_for_more()
        return message

    def stop(self) -> None:
        """Ends the process, stopped or not: it has nothing to lose."""
        self.process.kill()
        self.process.join(FAREWELL_S)
        self.channel.close()

    def _ask_for_more(self) -> None:
        with suppress(OSError):  # it may have gone, its last message sent
            self.channel.send(b"+")

    def _fate(self) -> str:
        self.process.join(FAREWELL_S)
        status = self.process.exitcode
        if status is None or status >= 0:
            return f"exit status {status}"
        return f"killed by {signal.Signals(-status).name}"


def _work(
    make: MakeStream[Any], number: int, workers: int, theirs: socket.socket, channel: socket.socket
) -> None:
    """What a worker does; it ends when the process that started it has gone."""
    theirs.close()
    for which in (signal.SIGINT, signal.SIGTERM):
        signal.signal(which, signal.SIG_IGN)
    torch.set_num_threads(1)
    with suppress(BrokenPipeError, ConnectionResetError, EOFError):
        while True:
            job = receive(channel, math.inf)
            _work_off(make(job, number, workers, partial(_note, channel)), channel)


def _work_off(items: Iterable[Any], channel: socket.socket) -> None:
    """Sends items as they are asked for, and how it ended."""
    ending: Message = ("end", None)
    sent = 0
    try:
        for item in items:
            if sent >= AHEAD:
                _await_request(channel)
            send(channel, ("item", item))
            sent += 1
    except AsclfError as error:
        ending = ("error", error)
    except Exception:
        ending = ("crash", traceback.format_exc())
    send(channel, ending)
    for _ in range(min(sent, AHEAD)):  # those not yet awaited, so that a job comes next
        _await_request(channel)


def _await_request(channel: socket.socket) -> None:
    if not channel.recv(1):
        sys.exit()  # nobody is there any more


def _note(channel: socket.socket, text: str) -> None:
    send(channel, ("note", text))


def _context() -> Any:
    forks = "fork" in multiprocessing.get_all_start_methods()
    return multiprocessing.get_context("fork" if forks else "spawn")
