from __future__ import annotations

import multiprocessing
import os
import select
import signal
import time
from collections.abc import Iterator
from itertools import islice
from typing import Any

import pytest
import torch

import asclf.data.workers
from asclf.data.workers import run_in_workers
from asclf.errors import DataError

pytestmark = pytest.mark.filterwarnings("ignore:This DataLoader will create")


def _numbers(worker: int, workers: int) -> Iterator[int]:
    yield from range(worker, 11, workers)


def _fail(worker: int, workers: int) -> Iterator[int]:
    for number in _numbers(worker, workers):
        if number == 5:
            raise DataError("broken", where="fold1-00000.tar", expected="whole", hint="mend it")
        yield number


def _die(worker: int, workers: int) -> Iterator[int]:
    yield worker
    if worker == workers - 1:
        os.kill(os.getpid(), signal.SIGKILL)
    yield worker


@pytest.mark.parametrize("workers", [0, 1, 2, 4])
def test_items_come_in_one_order_whoever_makes_them(workers: int) -> None:
    assert list(run_in_workers(_numbers, workers)) == list(range(11))


@pytest.mark.parametrize("workers", [0, 1, 3])
def test_an_error_comes_out_as_it_was_raised_and_in_its_turn(workers: int) -> None:
    numbers = run_in_workers(_fail, workers)
    assert list(islice(numbers, 5)) == [0, 1, 2, 3, 4]
    with pytest.raises(DataError) as caught:
        next(numbers)
    assert str(caught.value) == "fold1-00000.tar: broken; expected whole; mend it"


@pytest.mark.fault
def test_a_killed_worker_is_an_error_that_says_what_to_lower() -> None:
    with pytest.raises(DataError, match=r"lower data\.num_workers"):
        list(run_in_workers(_die, 2))


@pytest.mark.fault
def test_no_worker_outlives_a_killed_parent() -> None:
    def work() -> None:
        while True:
            list(run_in_workers(_numbers, 2))

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


@pytest.mark.parametrize("workers", [0, 2])
def test_nothing_is_drawn_from_the_global_generator(workers: int) -> None:
    state = torch.get_rng_state()
    list(run_in_workers(_numbers, workers))
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.slow
def test_spawned_workers_take_turns_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    context: Any = multiprocessing.get_context("spawn")
    monkeypatch.setattr(asclf.data.workers, "_context", lambda: context)
    # `range` can be pickled by a process that cannot import this test: range(0, 2), range(1, 2).
    assert list(run_in_workers(range, 2)) == [0, 1, 1]
