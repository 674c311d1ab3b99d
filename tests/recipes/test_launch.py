"""Recipes that train in several processes, on one machine and on two."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
NOT_PERMITTED = 77


def bash(script: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", script, *arguments],
        env={**os.environ, "PYTHON": sys.executable, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
    )


@pytest.mark.slow
def test_a_recipe_trains_in_two_processes(tmp_path: Path) -> None:
    short = ("--clips-per-class", "4", "--folds", "1", "--set", "train.epochs=1")
    two = ("--nproc", "2", "--engine", "ddp", "--stop-stage", "4")
    done = bash(ROOT / "egs/synth/run.sh", "--work-dir", str(tmp_path), *short, *two)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("trained: ") == 1
    assert (tmp_path / "exp/synth/fold1/final.safetensors").exists()


@pytest.mark.fault
def test_two_machines_train_together(tmp_path: Path) -> None:
    done = bash(ROOT / "tools/two_nodes.sh", str(tmp_path))
    if done.returncode == NOT_PERMITTED:
        pytest.skip(f"network namespaces cannot be made here: {done.stderr.strip()}")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("trained: ") == 1
    assert (tmp_path / "exp/synth/fold1/final.safetensors").exists()
    assert (tmp_path / "exp/synth/log/stage4_node1.log").exists()
