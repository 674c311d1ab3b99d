"""Streams made by several processes, collected in turn; one that dies or hangs is named.

torch's `DataLoader` is not used: it waits for ever for a worker that was stopped (see `parcels`),
and reports a dead one by an exception from a signal handler, in whatever line the caller happens to
be. Workers ignore SIGINT and SIGTERM, which are meant for the process that started them.
"""

from __future__ import annotations

import multiprocessing
import signal
import socket
import traceback
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from functools import partial
from typing import Any, Literal, TypeVar

import torch

from asclf.data.parcels import receive, send
from asclf.errors import AsclfError, DataError

T = TypeVar("T")
Note = Callable[[str], None]
"""Tells the process that takes the items something on the way to the next one."""
MakeStream = Callable[[int, int, Note], Iterable[T]]
"""Makes the part of worker w among n: items w, w + n, w + 2n, … of the stream."""
Message = tuple[Literal["item", "note", "error", "crash", "end"], Any]

AHEAD = 1
"""Items that a worker has sent before they are asked for; it holds one more, made and not sent."""
FAREWELL_S = 5.0


def run_in_workers(
    make: MakeStream[T], num_workers: int, *, timeout_s: float, on_note: Note
) -> Iterator[T]:
    """Yields the items of n streams in turn, each stream made in a process of its own.

    Workers are forked where the system can: a spawned one would import torch anew, every epoch.
    Forking is safe for a `make` that computes with one thread, touches no accelerator and takes no
    lock of its parent. Where only spawning is possible, `make` must be picklable.

    Args:
        make: The streams; with 0 workers the only one is made in this process.
        num_workers: Number of processes.
        timeout_s: Longest wait for an item or a note.
        on_note: Told, in this process, what `make` notes.

    Raises:
        AsclfError: What `make` raised, as it raised it.
        DataError: A worker died, or made nothing for too long; names it.
    """
    if not num_workers:
        yield from make(0, 1, on_note)
        return
    workers: list[_Worker] = []
    try:
        workers.extend(_Worker(make, number, num_workers) for number in range(num_workers))
        due = deque(workers)
        while due:
            kind, value = due[0].receive(timeout_s)
            if kind == "end":
                due.popleft()
            elif kind == "note":
                on_note(value)
            else:
                due.rotate(-1)
                yield value
    finally:
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
    with suppress(BrokenPipeError, ConnectionResetError):
        send(channel, _work_off(make(number, workers, partial(_note, channel)), channel))


def _work_off(items: Iterable[Any], channel: socket.socket) -> Message:
    """Sends items as they are asked for; returns how it ended."""
    try:
        for i, item in enumerate(items):
            if i >= AHEAD and not channel.recv(1):
                break
            send(channel, ("item", item))
    except AsclfError as error:
        return "error", error
    except Exception:
        return "crash", traceback.format_exc()
    return "end", None


def _note(channel: socket.socket, text: str) -> None:
    send(channel, ("note", text))


def _context() -> Any:
    forks = "fork" in multiprocessing.get_all_start_methods()
    return multiprocessing.get_context("fork" if forks else "spawn")
