"""Commands that run beside one another, each with its log: the folds of an experiment."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import torch

from asclf.train.stop import AskedToStop

POLL_S = 0.1
DEVICES = "CUDA_VISIBLE_DEVICES"

OnLine = Callable[[str], None]
"""Is given each line that a job writes to its log."""


@dataclass(frozen=True)
class Job:
    """A command, and where what it prints goes.

    Attributes:
        name: For messages.
        command: Program and arguments.
        log: Its output and errors are added here.
    """

    name: str
    command: Sequence[str]
    log: Path

    def tail(self, lines: int) -> list[str]:
        """The last lines of its log."""
        return self.log.read_text("utf-8", errors="replace").splitlines()[-lines:]


@dataclass(frozen=True)
class Outcome:
    """How a job ended: with a status, or less than 0 for a signal."""

    job: Job
    status: int

    @property
    def reason(self) -> str:
        """The status in words."""
        if self.status >= 0:
            return f"status {self.status}"
        return f"killed by {signal.Signals(-self.status).name}"


def run_jobs(
    jobs: Sequence[Job],
    places: Sequence[Mapping[str, str]],
    *,
    asked_to_stop: AskedToStop,
    on_line: OnLine,
) -> list[Outcome]:
    """Runs jobs, as many at once as there are places; one that fails leaves the others alone.

    They stand in sessions of their own, so that Ctrl-C in a terminal reaches this process alone. A
    request to stop is handed on to those that run, which may end what they are doing; no other is
    started. An exception kills them.

    Args:
        jobs: What to run, in this order.
        places: For each place the variables that are laid over this process's.
        asked_to_stop: Asked again and again.
        on_line: Told what the jobs write.

    Returns:
        Those that were started, in the order in which they ended.
    """
    waiting, ended = deque(jobs), list[Outcome]()
    running: dict[int, _Running] = {}
    try:
        while running or (waiting and not asked_to_stop()):
            for place in range(len(places)):
                if waiting and place not in running and not asked_to_stop():
                    running[place] = _Running(waiting.popleft(), places[place])
            time.sleep(POLL_S)
            for place, each in list(running.items()):
                outcome = each.look(on_line, stop=bool(asked_to_stop()))
                if outcome is not None:
                    ended.append(outcome)
                    del running[place]
    finally:
        for each in running.values():
            each.kill()
    return ended


def places_for(count: int) -> list[dict[str, str]]:
    """So many places for jobs, with the accelerators that this process sees dealt out to them."""
    named = os.environ.get(DEVICES, ",".join(map(str, range(torch.cuda.device_count()))))
    devices = [device for device in named.split(",") if device]
    return [{DEVICES: devices[i % len(devices)]} if devices else {} for i in range(count)]


class _Running:
    """A job's process, and how much of its log was read."""

    def __init__(self, job: Job, variables: Mapping[str, str]) -> None:
        self.job = job
        job.log.parent.mkdir(parents=True, exist_ok=True)
        with job.log.open("ab") as log:
            self.process = subprocess.Popen(
                job.command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, **variables},
                start_new_session=True,
            )
            self.reader: BinaryIO = job.log.open("rb")
            self.reader.seek(log.tell())
        self.asked = False
        self.rest = b""

    def look(self, on_line: OnLine, *, stop: bool) -> Outcome | None:
        """Passes on new lines and a request to stop; the outcome, when there is one."""
        if stop and not self.asked:
            self.asked = True
            self.process.terminate()
        status = self.process.poll()
        *lines, self.rest = (self.rest + self.reader.read()).split(b"\n")
        for line in lines:
            on_line(line.decode("utf-8", errors="replace"))
        if status is None:
            return None
        self.reader.close()
        return Outcome(self.job, status)

    def kill(self) -> None:
        """Ends it at once."""
        self.process.kill()
        self.process.wait()
        self.reader.close()
