"""Runs that are killed with SIGKILL, at every point at which that could matter.

A run is trained in a forked process that kills itself in the n-th call of something; the folder it
leaves must hold nothing half-written under its own name, and the resumed run must end to the byte
as one that was left alone.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import random
import signal
import time
from collections.abc import Callable
from itertools import count
from multiprocessing.context import ForkProcess
from pathlib import Path
from typing import Any

import pytest

import asclf.checkpoint
from asclf.checkpoint import load_tensors
from asclf.train.engine_torch import TorchEngine
from asclf.train.logs import StepLog

Train = Callable[..., Path]
Arm = Callable[[int], None]

Record = Callable[[str, object], None]

SHORT = ("train.epochs=3", "augmenters=[]")
RANDOM_POINTS = 20
SEED = 5


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def in_call(number: int, function: Callable[..., Any], dying: Callable[..., Any]) -> Any:
    """The function, but for its n-th call (from 0), which is handed to `dying`."""
    calls = count()

    def counted(*args: Any, **kwargs: Any) -> Any:
        return (dying if next(calls) == number else function)(*args, **kwargs)

    return counted


def before_a_rename(number: int) -> None:
    Path.replace = in_call(number, Path.replace, lambda *_: die())


def after_a_rename(number: int) -> None:
    rename = Path.replace

    def rename_and_die(self: Path, target: Path) -> None:
        rename(self, target)
        die()

    Path.replace = in_call(number, rename, rename_and_die)


def in_a_step(number: int) -> None:
    update = TorchEngine._update
    TorchEngine._update = in_call(number, update, lambda *_: die())


def half_through_a_checkpoint(number: int) -> None:
    save = asclf.checkpoint.save_file

    def save_half(tensors: Any, path: Path, **options: Any) -> None:
        save(tensors, path, **options)
        os.truncate(path, path.stat().st_size // 2)
        die()

    asclf.checkpoint.save_file = in_call(number, save, save_half)


def half_through_a_text(number: int) -> None:
    write = Path.write_bytes

    def write_half(self: Path, content: bytes) -> None:
        write(self, content[: len(content) // 2])
        die()

    Path.write_bytes = in_call(number, write, write_half)


def half_through_a_log_line(number: int) -> None:
    def write_half(self: StepLog, scalars: Any) -> None:
        self._file.write(json.dumps(scalars).encode()[:20])
        die()

    StepLog.step = in_call(number, StepLog.step, write_half)


POINTS = (
    before_a_rename,
    after_a_rename,
    in_a_step,
    half_through_a_checkpoint,
    half_through_a_text,
    half_through_a_log_line,
)


@pytest.fixture(scope="session")
def whole(train_once: Train) -> bytes:
    """The final weights of the run that was left alone."""
    return (train_once("whole", *SHORT, resume=True) / "final.safetensors").read_bytes()


def with_workers(whole: bytes, workers: int) -> bytes:
    """The same weights: the file holds its configuration, and this key is part of it."""
    return whole.replace(b"num_workers: 0", f"num_workers: {workers}".encode())


def start(work: Callable[[], object]) -> ForkProcess:
    process = multiprocessing.get_context("fork").Process(target=work)
    process.start()
    return process


def was_killed(process: ForkProcess) -> bool:
    """Waits for the end, which must be a kill or success."""
    process.join(60)
    assert process.exitcode in (0, -signal.SIGKILL)
    return process.exitcode != 0


def train_until(train: Train, exp: str, arm: Arm, number: int, *overrides: str) -> bool:
    def work() -> None:
        arm(number)
        train(exp, *SHORT, *overrides, resume=True)

    return was_killed(start(work))


def train_for(train: Train, exp: str, seconds: float, *overrides: str) -> bool:
    process = start(lambda: train(exp, *SHORT, *overrides, resume=True))
    time.sleep(seconds)
    process.kill()
    return was_killed(process)


def assert_nothing_is_half_written(run: Path) -> None:
    for path in run.rglob("[!.]*"):
        if path.suffix == ".safetensors":
            load_tensors(path)
        if path.suffix == ".json":
            json.loads(path.read_text())
    metrics = run / "metrics.jsonl"
    lines = metrics.read_text().splitlines() if metrics.exists() else []
    assert [json.loads(line)["epoch"] for line in lines] == list(range(1, len(lines) + 1))
    if (run / "summary.json").exists():
        assert (run / "final.safetensors").exists()


def assert_resumes(train: Train, exp: str, whole: bytes, *overrides: str) -> None:
    run = train(exp, *SHORT, *overrides, resume=True)
    assert (run / "final.safetensors").read_bytes() == whole
    assert len((run / "metrics.jsonl").read_text().splitlines()) == 3
    steps = [json.loads(line)["step"] for line in (run / "steps.jsonl").read_text().splitlines()]
    assert steps == list(range(1, 7))
    assert json.loads((run / "summary.json").read_text())["clips_seen"] == 3 * 8
    assert not [path for path in run.rglob(".*") if path.suffix == ".part"]


@pytest.mark.parametrize("arm", POINTS)
def test_a_killed_run_ends_as_one_left_alone(
    train: Train, whole: bytes, tmp_path: Path, arm: Arm
) -> None:
    assert train_until(train, "exp", arm, 4)  # of at least 6 calls
    assert_nothing_is_half_written(tmp_path / "exp" / "fold1")
    assert_resumes(train, "exp", whole)


@pytest.mark.fault
@pytest.mark.parametrize("arm", POINTS)
def test_a_run_killed_at_any_point_ends_as_one_left_alone(
    train: Train, whole: bytes, tmp_path: Path, arm: Arm, record_property: Record
) -> None:
    for number in count():
        if not train_until(train, f"exp{number}", arm, number):
            break
        assert_nothing_is_half_written(tmp_path / f"exp{number}" / "fold1")
        assert_resumes(train, f"exp{number}", whole)
    assert number >= 6
    record_property("faults", number)


@pytest.mark.fault
@pytest.mark.parametrize("workers", [0, 2])
def test_a_run_killed_again_and_again_ends_as_one_left_alone(
    train: Train, whole: bytes, tmp_path: Path, workers: int, record_property: Record
) -> None:
    override = f"data.num_workers={workers}"
    kills = 0
    for delay_ms in range(20, 2000, 40):
        if not train_for(train, "exp", delay_ms / 1000, override):
            break
        kills += 1
        assert_nothing_is_half_written(tmp_path / "exp" / "fold1")
    assert kills
    record_property("faults", kills)
    assert_resumes(train, "exp", with_workers(whole, workers), override)


@pytest.mark.fault
@pytest.mark.parametrize("workers", [0, 1, 4])
@pytest.mark.parametrize("point", range(RANDOM_POINTS))
def test_a_run_killed_at_a_random_point_ends_as_one_left_alone(
    train: Train, whole: bytes, tmp_path: Path, point: int, workers: int
) -> None:
    rng = random.Random(f"{SEED} {point} {workers}")
    arm = rng.choice((*POINTS, None))
    override = f"data.num_workers={workers}"
    if arm is None:
        seconds = rng.uniform(0, 0.5)
        print(f"point {point}, seed {SEED}: after {seconds:.3f} s")
        train_for(train, "exp", seconds, override)  # which may have been enough
    else:
        number = rng.randrange(6)
        print(f"point {point}, seed {SEED}: {arm.__name__}, call {number}")
        assert train_until(train, "exp", arm, number, override)
    assert_nothing_is_half_written(tmp_path / "exp" / "fold1")
    assert_resumes(train, "exp", with_workers(whole, workers), override)
