from __future__ import annotations

import importlib
import multiprocessing
import os
import select
import signal
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

import asclf.data.workers
from asclf.data.workers import Note, Workers
from asclf.errors import DataError

NAME = r"data worker {} of 2 \(process \d+\)"


def _run(make: Any, count: int, *, timeout_s: float = 30, on_note: Note = print) -> Iterator[Any]:
    workers = Workers(make, count, timeout_s=timeout_s)
    try:
        yield from workers.run("job", on_note)
    finally:
        workers.stop()


def _numbers(job: object, worker: int, workers: int, note: Note) -> Iterator[int]:  # noqa: ARG001
    yield from range(worker, 11, workers)


def _fail(job: object, worker: int, workers: int, note: Note) -> Iterator[int]:
    for number in _numbers(job, worker, workers, note):
        if number == 5:
            raise DataError("broken", where="fold1-00000.tar", expected="whole", hint="mend it")
        yield number


@pytest.mark.parametrize("workers", [1, 2, 4, 13])
def test_items_come_in_one_order_whoever_makes_them(workers: int) -> None:
    assert list(_run(_numbers, workers)) == list(range(11))


@pytest.mark.parametrize("workers", [1, 3])
def test_an_error_comes_out_as_it_was_raised_and_in_its_turn(workers: int) -> None:
    numbers = _run(_fail, workers)
    assert list(islice(numbers, 5)) == [0, 1, 2, 3, 4]
    with pytest.raises(DataError) as caught:
        next(numbers)
    assert str(caught.value) == "fold1-00000.tar: broken; expected whole; mend it"


def test_a_bug_comes_out_with_the_lines_that_it_is_in() -> None:
    def stumble(job: object, worker: int, workers: int, note: Note) -> Iterator[int]:  # noqa: ARG001
        yield 1 // worker

    with pytest.raises(RuntimeError, match=f"(?s)in {NAME.format(1)}:.*1 // worker"):
        list(_run(stumble, 2))


@pytest.mark.parametrize("workers", [1, 2])
def test_every_note_arrives_even_of_a_worker_that_makes_nothing(workers: int) -> None:
    def annotate(job: object, worker: int, workers: int, note: Note) -> Iterator[int]:  # noqa: ARG001
        note(f"{worker} begins")
        if not worker:
            yield 7
            note(f"{worker} ends")

    notes: list[str] = []
    assert list(_run(annotate, workers, on_note=notes.append)) == [7]
    begun = [f"{worker} begins" for worker in range(workers)]
    assert sorted(notes) == sorted([*begun, "0 ends"])


def test_no_worker_runs_far_ahead() -> None:
    def count(job: object, worker: int, workers: int, note: Note) -> Iterator[int]:  # noqa: ARG001
        for number in range(100):
            made.value = number + 1
            yield number

    made = multiprocessing.get_context("fork").Value("i", 0)
    numbers = _run(count, 1)
    for taken in (1, 2, 3):
        next(numbers)
        time.sleep(0.1)
        assert made.value <= taken + 2
    numbers.close()


def _count_up(job: int, worker: int, workers: int, note: Note) -> Iterator[tuple[int, int]]:  # noqa: ARG001
    for number in range(worker, job, workers):
        yield os.getpid(), number


def test_the_same_processes_make_one_stream_after_another() -> None:
    workers = Workers(_count_up, 2, timeout_s=30)
    pids = {worker.process.pid for worker in workers.members}
    for job in (5, 0, 1, 4, 3):
        items = list(workers.run(job, print))
        assert [number for _, number in items] == list(range(job))
        assert {pid for pid, _ in items} <= pids
    workers.stop()
    assert workers.is_stopped


def test_processes_end_with_the_object_that_they_belong_to() -> None:
    workers = Workers(_count_up, 2, timeout_s=30)
    pids = [worker.process.pid for worker in workers.members]
    list(workers.run(3, print))
    del workers
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


@pytest.mark.fault
def test_a_worker_killed_between_two_streams_is_named() -> None:
    workers = Workers(_count_up, 2, timeout_s=30)
    list(workers.run(3, print))
    os.kill(workers.members[1].process.pid, signal.SIGKILL)
    time.sleep(0.1)
    with pytest.raises(DataError, match=f"{NAME.format(2)} died: killed by SIGKILL"):
        list(workers.run(3, print))
    assert workers.is_stopped


# Workers that die or hang -------------------------------------------------------------------------


def _tensors(job: object, worker: int, workers: int, note: Note) -> Iterator[tuple[int, Tensor]]:  # noqa: ARG001
    while True:
        yield os.getpid(), torch.full((1000,), float(worker))


@pytest.mark.fault
@pytest.mark.parametrize("victim", [0, 1])
def test_a_killed_worker_is_named_with_what_killed_it(victim: int) -> None:
    items = _run(_tensors, 2)
    pids = [next(items)[0] for _ in range(2)]
    os.kill(pids[victim], signal.SIGKILL)
    time.sleep(0.1)  # in which an exception from a signal handler would hit this line
    died = rf"{NAME.format(victim + 1)} died: killed by SIGKILL; .*lower data\.num_workers"
    with pytest.raises(DataError, match=died):
        list(items)


@pytest.mark.fault
@pytest.mark.parametrize("victim", [0, 1])
def test_a_stopped_worker_is_named_and_ended(victim: int) -> None:
    items = _run(_tensors, 2, timeout_s=0.5)
    pids = [next(items)[0] for _ in range(2)]
    os.kill(pids[victim], signal.SIGSTOP)
    start = time.monotonic()
    hangs = rf"{NAME.format(victim + 1)} has made nothing for 0\.5 s"
    with pytest.raises(DataError, match=hangs):
        list(items)
    assert time.monotonic() - start < 5
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


@pytest.mark.fault
def test_a_worker_stopped_before_its_first_item_is_named() -> None:
    def stop(job: object, worker: int, workers: int, note: Note) -> Iterator[int]:  # noqa: ARG001
        os.kill(os.getpid(), signal.SIGSTOP)
        yield worker

    with pytest.raises(DataError, match="has made nothing for"):
        list(_run(stop, 1, timeout_s=0.3))


@pytest.mark.fault
@pytest.mark.parametrize("which", [signal.SIGINT, signal.SIGTERM])
def test_signals_to_the_whole_program_do_not_end_a_worker(which: signal.Signals) -> None:
    items = _run(_tensors, 1)
    pid, _ = next(items)
    os.kill(pid, which)
    assert [next(items)[0] for _ in range(20)] == [pid] * 20
    items.close()


def test_a_stream_that_is_left_early_leaves_no_worker() -> None:
    items = _run(_tensors, 2)
    pid, _ = next(items)
    items.close()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


@pytest.mark.fault
def test_no_worker_outlives_a_killed_parent() -> None:
    def work() -> None:
        while True:
            list(_run(_numbers, 2))

    reader, writer = os.pipe()  # which comes to its end with the last process that holds it
    for delay_ms in range(2, 62, 3):
        process = multiprocessing.get_context("fork").Process(target=work)
        process.start()
        time.sleep(delay_ms / 1000)
        process.kill()
        process.join()
    os.close(writer)
    assert select.select([reader], [], [], 30)[0] == [reader]
    assert os.read(reader, 1) == b""
    os.close(reader)


def test_nothing_is_drawn_from_the_global_generator() -> None:
    state = torch.get_rng_state()
    list(_run(_numbers, 2))
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.slow
def test_spawned_workers_take_turns_as_well(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "importable.py").write_text(
        "def numbers(job, worker, workers, note):\n"
        "    note(str(worker))\n"
        "    yield from range(worker, 7, workers)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    context: Any = multiprocessing.get_context("spawn")
    monkeypatch.setattr(asclf.data.workers, "_context", lambda: context)
    notes: list[str] = []
    numbers = importlib.import_module("importable").numbers
    assert list(_run(numbers, 2, on_note=notes.append)) == list(range(7))
    assert sorted(notes) == ["0", "1"]
