from __future__ import annotations

import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from asclf.train.jobs import Job, Outcome, places_for, run_jobs
from asclf.train.stop import never

WAIT_FOR_EACH_OTHER = """
import pathlib, sys, time
here, other = map(pathlib.Path, sys.argv[1:])
here.touch()
while not other.exists():
    time.sleep(0.01)
print("met")
"""
END_GRACEFULLY = """
import signal, sys, time
signal.signal(signal.SIGTERM, lambda *_: sys.exit("asked to stop"))
print("ready", flush=True)
time.sleep(60)
"""


def python(name: str, folder: Path, code: str, *arguments: str) -> Job:
    return Job(name, [sys.executable, "-c", code, *arguments], folder / f"{name}.log")


def run(jobs: Sequence[Job], places: int = 1) -> tuple[list[Outcome], list[str]]:
    lines: list[str] = []
    outcomes = run_jobs(jobs, [{}] * places, asked_to_stop=never, on_line=lines.append)
    return outcomes, lines


def test_as_many_jobs_run_at_once_as_there_are_places(tmp_path: Path) -> None:
    a, b = str(tmp_path / "a"), str(tmp_path / "b")
    jobs = [
        python("first", tmp_path, WAIT_FOR_EACH_OTHER, a, b),
        python("second", tmp_path, WAIT_FOR_EACH_OTHER, b, a),
    ]
    outcomes, lines = run(jobs, places=2)
    assert [outcome.status for outcome in outcomes] == [0, 0]
    assert lines == ["met", "met"]


def test_a_job_that_fails_leaves_the_others_alone(tmp_path: Path) -> None:
    jobs = [
        python("bad", tmp_path, "import sys; print('x' * 9); sys.exit('no')"),
        python("killed", tmp_path, "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"),
        python("good", tmp_path, "print('yes')"),
    ]
    outcomes, lines = run(jobs)
    assert [outcome.job.name for outcome in outcomes] == ["bad", "killed", "good"]
    assert [outcome.reason for outcome in outcomes] == ["status 1", "killed by SIGKILL", "status 0"]
    assert jobs[0].tail(1) == ["no"]
    assert sorted(lines) == ["no", "x" * 9, "yes"]


def test_a_log_is_added_to_and_only_what_is_new_is_passed_on(tmp_path: Path) -> None:
    job = python("job", tmp_path, "print('second')")
    job.log.write_text("first\n", encoding="utf-8")
    assert run([job])[1] == ["second"]
    assert job.tail(5) == ["first", "second"]


def test_a_request_to_stop_is_handed_on_and_starts_no_other(tmp_path: Path) -> None:
    lines: list[str] = []
    jobs = [python(name, tmp_path, END_GRACEFULLY) for name in ("first", "second")]
    outcomes = run_jobs(
        jobs, [{}], asked_to_stop=lambda: signal.SIGTERM if lines else 0, on_line=lines.append
    )
    assert [(outcome.job.name, outcome.status) for outcome in outcomes] == [("first", 1)]
    assert lines == ["ready", "asked to stop"]


def test_an_interrupt_kills_what_runs(tmp_path: Path) -> None:
    def interrupt(_: str) -> None:
        raise KeyboardInterrupt

    start = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        run_jobs(
            [python("job", tmp_path, END_GRACEFULLY)], [{}], asked_to_stop=never, on_line=interrupt
        )
    assert time.monotonic() - start < 30


def test_accelerators_are_dealt_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,7")
    places = places_for(3)
    assert [place["CUDA_VISIBLE_DEVICES"] for place in places] == ["4", "7", "4"]
    job = python("job", tmp_path, "import os; print(os.environ['CUDA_VISIBLE_DEVICES'])")
    lines: list[str] = []
    run_jobs([job], places[1:2], asked_to_stop=never, on_line=lines.append)
    assert lines == ["7"]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert places_for(2) == [{}, {}]
