"""Runs that are asked to stop: what they leave behind, and that they lose nothing."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from asclf.cli.main import main
from asclf.train.engine_torch import TorchEngine
from asclf.train.stop import AskedToStop, StoppedError, stop_on_signals

Train = Callable[..., Path]
Capture = pytest.CaptureFixture[str]

SMALL_STEPS = ("train.epochs=2", "data.batch_size=2")  # 4 steps an epoch


def after(steps: int) -> AskedToStop:
    """Asks a run to stop after so many steps; a loop asks before each."""
    calls = count()
    return lambda: signal.SIGTERM if next(calls) >= steps else 0


def metrics(run: Path) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return [
        {k: v for k, v in line.items() if k not in ("seconds", "clips_per_s")} for line in lines
    ]


def final(run: Path) -> bytes:
    return (run / "final.safetensors").read_bytes()


@pytest.mark.parametrize("more", [(), ("data.num_workers=2", "train.ema=0.9")])
def test_a_run_that_is_stopped_after_every_step_ends_as_one_left_alone(
    train: Train, more: tuple[str, ...]
) -> None:
    overrides = (*SMALL_STEPS, *more)
    whole = train("whole", *overrides)
    for done in range(1, 8):
        with pytest.raises(
            StoppedError, match=f"stopped after {done} of 8 steps; go on with --res"
        ):
            train("stopped", *overrides, resume=True, asked_to_stop=after(1))
    run = train("stopped", *overrides, resume=True)
    assert final(run) == final(whole)
    assert metrics(run) == metrics(whole)
    counts = [json.loads((each / "summary.json").read_text()) for each in (run, whole)]
    assert counts[0]["clips_seen"] == counts[1]["clips_seen"] == 2 * 8


def test_a_run_that_is_asked_before_it_begins_does_no_step(train: Train, tmp_path: Path) -> None:
    with pytest.raises(StoppedError, match="stopped after 0 of 8 steps"):
        train("exp", *SMALL_STEPS, asked_to_stop=after(0))
    assert not (tmp_path / "exp" / "fold1" / "resume.safetensors").exists()


@pytest.mark.fault
@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_lets_the_step_end_and_keeps_its_state(
    train: Train, toy_config: Path, capsys: Capture, number: signal.Signals, status: int
) -> None:
    whole, exp = train("whole", *SMALL_STEPS), toy_config.parent / "exp"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TorchEngine, "_update", _signalled(number, step=6))
        command = ["train", "--config", str(toy_config), "--exp", str(exp), *SMALL_STEPS]
        assert main(command) == status
    line = f"{exp}/fold1: stopped after 6 of 8 steps; go on with --resume"
    assert capsys.readouterr().err.splitlines()[-1] == line
    assert final(train("exp", *SMALL_STEPS, resume=True)) == final(whole)


@pytest.fixture
def usual_interrupt() -> Iterator[None]:
    """SIGINT as Python has it; a shell's background jobs start with it ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("usual_interrupt")
def test_a_second_signal_does_not_wait() -> None:
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt), stop_on_signals() as asked_to_stop:
        assert asked_to_stop() == 0
        os.kill(os.getpid(), signal.SIGTERM)
        assert asked_to_stop() == signal.SIGTERM
        os.kill(os.getpid(), signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is before


def _signalled(number: signal.Signals, *, step: int) -> Callable[..., None]:
    """An engine's update during which a signal arrives, in the step of that number, from 1."""
    calls, update = count(1), TorchEngine._update

    def updating(engine: TorchEngine, lr_factor: float) -> None:
        if next(calls) == step:
            os.kill(os.getpid(), number)
        update(engine, lr_factor)

    return updating
