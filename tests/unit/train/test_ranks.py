"""Two processes over gloo: what they reach, what one owes the other, and what is left if one dies.

Each starts as torchrun would start it, so that nothing but itself ends it.
"""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from asclf.checkpoint import load_checkpoint, load_tensors

Launch = Callable[..., list[str]]
Train = Callable[..., Path]

EPOCHS = 12
# one step an epoch, on 8 of the 9 clips: the same 8 however many processes share them
SAME_FOR_ANY_NUMBER = (
    "augmenters=[]",
    "backbone.mask=null",
    "backbone.norm=group",
    "data.crop_s=null",
    "data.batch_size=8",
    "optimizer.lr=0.02",
    f"train.epochs={EPOCHS}",
    "train.engine=ddp",
)
ZERO3_DIVIDING_ALL = {"stage": 3, "stage3_param_persistence_threshold": 8}
IN_STEP = """
import os, signal, sys
from asclf.cli.main import main
from asclf.train.schedulers import WarmupCosine

factor = WarmupCosine.factor
def factor_or_die(self, step):
    if step == 7 and os.environ["RANK"] == "1":
        os.kill(os.getpid(), signal.SIGKILL)
    return factor(self, step)
WarmupCosine.factor = factor_or_die
sys.exit(main(sys.argv[1:]))
"""

needs_deepspeed = pytest.mark.skipif(
    importlib.util.find_spec("deepspeed") is None, reason="deepspeed is not installed"
)
pytestmark = pytest.mark.slow


def free_port() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return str(probe.getsockname()[1])


def start(arguments: list[str], count: int, program: list[str]) -> list[subprocess.Popen[str]]:
    place = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": free_port(), "WORLD_SIZE": str(count)}
    return [
        subprocess.Popen(
            [sys.executable, *program, "train", *arguments],
            env={
                **os.environ,
                **place,
                "RANK": str(rank),
                "LOCAL_RANK": str(rank),
                "OMP_NUM_THREADS": "1",
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for rank in range(count)
    ]


@pytest.fixture
def launch(toy_config: Path, tmp_path: Path) -> Launch:
    """Trains the toy problem in processes of their own; what each printed, rank 0 first."""

    def launch(
        exp: str,
        *overrides: str,
        count: int = 2,
        statuses: tuple[int, ...] | None = None,
        resume: bool = False,
        program: str | None = None,
        within_s: float = 240,
    ) -> list[str]:
        code = ["-m", "asclf.cli.main"] if program is None else ["-c", program]
        arguments = ["--config", str(toy_config), "--exp", str(tmp_path / exp), *overrides]
        processes = start([*arguments, *(["--resume"] if resume else [])], count, code)
        end = time.monotonic() + within_s
        try:
            printed = [p.communicate(timeout=end - time.monotonic())[0] for p in processes]
        finally:
            for process in processes:
                process.kill()
        found = tuple(process.returncode for process in processes)
        assert found == (statuses or (0,) * count), "\n".join(printed)
        return printed

    return launch


@pytest.fixture
def deepspeed_file(tmp_path: Path) -> Path:
    path = tmp_path / "zero3.json"
    path.write_text(json.dumps({"zero_optimization": ZERO3_DIVIDING_ALL}), encoding="utf-8")
    return path


def curve(run: Path) -> list[tuple[float, float]]:
    lines = map(json.loads, (run / "metrics.jsonl").read_text().splitlines())
    return [(line["loss"], line["grad_norm"]) for line in lines]


def weights(run: Path) -> dict[str, Tensor]:
    return load_tensors(run / "final.safetensors")[0]


def assert_same_curve(one: Path, two: Path) -> None:
    """Loss and norm of the gradient in every step within 1 in 10 000."""
    assert len(curve(one)) == len(curve(two)) == EPOCHS
    for (loss, norm), (other_loss, other_norm) in zip(curve(one), curve(two), strict=True):
        assert other_loss == pytest.approx(loss, rel=1e-4)
        assert other_norm == pytest.approx(norm, rel=1e-3)
    assert curve(one)[-1][0] < 0.9 * curve(one)[0][0]


def assert_near(one: dict[str, Tensor], two: dict[str, Tensor]) -> None:
    assert one.keys() == two.keys()
    for name, tensor in one.items():
        torch.testing.assert_close(two[name], tensor, rtol=1e-3, atol=1e-4)


def test_two_ranks_of_ddp_learn_as_one_process(
    launch: Launch, train: Train, tmp_path: Path
) -> None:
    one, two = train("one", *SAME_FOR_ANY_NUMBER), tmp_path / "two" / "fold1"
    printed = launch("two", *SAME_FOR_ANY_NUMBER)
    assert_same_curve(one, two)
    assert_near(weights(one), weights(two))
    assert "trained: " in printed[0]
    assert printed[1] == ""
    launch("parts", *SAME_FOR_ANY_NUMBER, "train.micro_batch=3")
    assert_same_curve(one, tmp_path / "parts" / "fold1")


@needs_deepspeed
@pytest.mark.parametrize("case", ["0 in parts", "1", "2 in parts", "3", "3 in parts"])
def test_two_ranks_of_deepspeed_learn_as_one_process(
    launch: Launch, train: Train, deepspeed_file: Path, tmp_path: Path, case: str
) -> None:
    one, two = train("one", *SAME_FOR_ANY_NUMBER), tmp_path / "two" / "fold1"
    named = deepspeed_file if case.startswith("3") else case[0]
    engine = ("train.engine=deepspeed", f"train.deepspeed={named}")
    in_parts = ("train.micro_batch=3",) if "in parts" in case else ()
    launch("two", *SAME_FOR_ANY_NUMBER, *engine, *in_parts)
    assert_same_curve(one, two)
    assert_near(weights(one), weights(two))
    assert load_checkpoint(two).labels.names == load_checkpoint(one).labels.names


@needs_deepspeed
def test_activations_that_are_computed_again_change_nothing(
    launch: Launch, train: Train, tmp_path: Path
) -> None:
    file = tmp_path / "recompute.json"
    options = {"zero_optimization": ZERO3_DIVIDING_ALL, "activation_checkpointing": {}}
    file.write_text(json.dumps(options), encoding="utf-8")
    engine = ("train.engine=deepspeed", f"train.deepspeed={file}")
    (refused,) = launch("other", *SAME_FOR_ANY_NUMBER, *engine, count=1, statuses=(2,))
    assert "the backbone offers no blocks to compute again" in refused
    blocks = {"type": "ast_tiny", "embed_dim": 16, "num_heads": 2, "depth": 2, "num_frames": 32}
    backbone = [f"backbone.{key}={value}" for key, value in blocks.items()]
    small = (*backbone, "augmenters=[]", "data.crop_s=null", "data.batch_size=8")
    one, two = train("one", *small), tmp_path / "two" / "fold1"
    launch("two", *small, *engine)
    for (loss, norm), (other_loss, other_norm) in zip(curve(one), curve(two), strict=True):
        assert other_loss == pytest.approx(loss, rel=1e-4)
        assert other_norm == pytest.approx(norm, rel=1e-3)


@needs_deepspeed
@pytest.mark.parametrize("stage", [0, 2])
def test_deepspeed_scales_the_loss_for_fp16(
    launch: Launch, train: Train, tmp_path: Path, stage: int
) -> None:
    engine = ("train.engine=deepspeed", f"train.deepspeed={stage}", "train.precision=fp16")
    launch("fp16", *SAME_FOR_ANY_NUMBER, *engine, count=1)
    for (loss, norm), (expected, expected_norm) in zip(
        curve(tmp_path / "fp16" / "fold1"), curve(train("one", *SAME_FOR_ANY_NUMBER)), strict=True
    ):
        assert loss == pytest.approx(expected, rel=0.05)
        assert norm == pytest.approx(expected_norm, rel=0.3)


@pytest.mark.fault
@pytest.mark.parametrize(
    "engine",
    ["ddp", *(pytest.param(name, marks=needs_deepspeed) for name in ("zero1", "zero3"))],
)
def test_a_run_of_which_one_rank_was_killed_ends_as_one_left_alone(
    launch: Launch, deepspeed_file: Path, tmp_path: Path, engine: str
) -> None:
    options: tuple[str, ...] = SAME_FOR_ANY_NUMBER
    if engine != "ddp":
        named = 1 if engine == "zero1" else deepspeed_file
        options += ("train.engine=deepspeed", f"train.deepspeed={named}")
    launch("whole", *options)
    printed = launch(
        "cut", *options, program=IN_STEP, statuses=(2, -signal.SIGKILL), within_s=60 + 40
    )
    assert "process 0: another process of this training cannot be reached, or is gone" in printed[0]
    assert "--resume" in printed[0]
    whole, cut = tmp_path / "whole" / "fold1", tmp_path / "cut" / "fold1"
    assert len(curve(cut)) == 7
    launch("cut", *options, resume=True)
    assert curve(cut) == curve(whole)
    assert (cut / "final.safetensors").read_bytes() == (whole / "final.safetensors").read_bytes()
    assert len([*(cut / "deepspeed").glob("step_*")]) == (0 if engine == "ddp" else 2)


@pytest.mark.fault
@pytest.mark.parametrize("engine", ["ddp", pytest.param("deepspeed", marks=needs_deepspeed)])
def test_all_ranks_stop_after_the_step_in_which_one_is_asked_to(
    launch: Launch, tmp_path: Path, engine: str
) -> None:
    options = (
        *SAME_FOR_ANY_NUMBER,
        "data.batch_size=4",
        "train.epochs=5",
        f"train.engine={engine}",
    )
    asked = IN_STEP.replace("step == 7", "step == 6").replace("SIGKILL", "SIGTERM")
    launch("whole", *options)
    printed = launch("cut", *options, program=asked, statuses=(143, 143))
    assert "stopped after 7 of 10 steps; go on with --resume" in printed[0]
    launch("cut", *options, resume=True)
    whole, cut = tmp_path / "whole" / "fold1", tmp_path / "cut" / "fold1"
    assert curve(cut) == curve(whole)
    assert (cut / "final.safetensors").read_bytes() == (whole / "final.safetensors").read_bytes()


def test_too_few_shards_for_the_ranks_start_nothing(launch: Launch, tmp_path: Path) -> None:
    overrides = (*SAME_FOR_ANY_NUMBER, "data.batch_size=9")
    printed = launch("exp", *overrides, count=3, statuses=(2, 2, 2))
    assert all("2 shards cannot be shared by 3 processes" in each for each in printed)
    assert not (tmp_path / "exp").exists()


def test_an_engine_of_one_process_refuses_two(launch: Launch, tmp_path: Path) -> None:
    overrides = (*SAME_FOR_ANY_NUMBER, "train.engine=torch")
    printed = launch("exp", *overrides, statuses=(2, 2))
    assert all("add train.engine=ddp to the command" in each for each in printed)
    assert not (tmp_path / "exp").exists()


def test_clips_that_fill_no_batch_on_every_rank_are_left_out_by_all(
    launch: Launch, tmp_path: Path
) -> None:
    launch("exp", *SAME_FOR_ANY_NUMBER, "data.batch_size=2", "train.epochs=2")
    summary: dict[str, Any] = json.loads((tmp_path / "exp/fold1/summary.json").read_text())
    assert summary["steps"] == 8
    assert summary["clips_seen"] == 16
    assert summary["clips_left_out_per_epoch"] == 1


@pytest.mark.parametrize(
    "engine",
    [
        pytest.param(("train.engine=ddp", "train.ema=0.8"), id="ddp"),
        pytest.param(
            ("train.engine=deepspeed", "train.deepspeed=2", "train.ema=0.8"),
            id="zero2",
            marks=needs_deepspeed,
        ),
        pytest.param(
            ("train.engine=deepspeed", "train.deepspeed=3"), id="zero3", marks=needs_deepspeed
        ),
    ],
)
def test_ranks_choose_epochs_by_what_the_first_of_them_measures(
    launch: Launch, tmp_path: Path, three_folds: Path, engine: tuple[str, ...]
) -> None:
    options = (f"data.shards={three_folds}", "data.protocol=nested", "train.average_best=2")
    launch("exp", *SAME_FOR_ANY_NUMBER, *options, "train.epochs=4", *engine)
    run = tmp_path / "exp" / "fold1"
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    ranked = sorted(lines, key=lambda line: (-line["validation_accuracy"], line["validation_loss"]))
    best = sorted(line["epoch"] for line in ranked[:2])
    kept = sorted(path.stem for path in (run / "epochs").glob("*.safetensors"))
    assert kept == [f"epoch_{epoch:04d}" for epoch in best]
    assert load_checkpoint(run).meta.facts["averaged"] == kept


@needs_deepspeed
def test_a_moving_average_of_divided_weights_is_refused_in_one_line(launch: Launch) -> None:
    options = ("train.engine=deepspeed", "train.deepspeed=3", "train.ema=0.9")
    printed = launch("exp", *SAME_FOR_ANY_NUMBER, *options, statuses=(2, 2))
    assert all("`train.ema` needs the weights whole" in text for text in printed)
