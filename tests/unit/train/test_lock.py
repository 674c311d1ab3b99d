from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable, Mapping
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from asclf.errors import TrainError
from asclf.train.lock import locked
from asclf.train.progress import Silent

Train = Callable[..., Path]


class Lingers(Silent):
    """Tells that a step was done, and then takes its time."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection

    def step(self, scalars: Mapping[str, float]) -> None:
        self.connection.send(scalars["step"])
        time.sleep(60)


@pytest.mark.fault
def test_a_second_process_in_the_folder_of_a_run_is_refused_until_the_first_is_gone(
    train: Train,
) -> None:
    whole = train("whole")
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe()
    first = context.Process(target=lambda: train("exp", progress=Lingers(theirs)))
    first.start()
    assert ours.recv() == 1
    with pytest.raises(TrainError, match="another process is training into this folder") as caught:
        train("exp", resume=True)
    assert caught.value.where.endswith("exp/fold1")
    first.kill()
    first.join()
    run = train("exp", resume=True)
    assert (run / "final.safetensors").read_bytes() == (whole / "final.safetensors").read_bytes()


def test_a_folder_is_free_again_after_an_error(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), locked(tmp_path / "new"):
        raise ZeroDivisionError
    with locked(tmp_path / "new"):
        pass
