"""Sweeps whose rows start from pre-trained weights: the commands they name make just those."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest

from asclf.config.experiment import ExperimentConfig, load_experiment
from asclf.sweep.spec import Row, Sweep, load_sweep

ROOT = Path(__file__).parents[2]
SWEEPS = [load_sweep(path) for path in sorted((ROOT / "egs").glob("*/conf/sweeps/*.yaml"))]
ROWS = [(sweep, row) for sweep in SWEEPS for row in sweep.rows]


def fine_tuned(sweep: Sweep, row: Row) -> ExperimentConfig:
    return load_experiment(sweep.config, row.overrides)


STARTED = [(sweep, row) for sweep, row in ROWS if fine_tuned(sweep, row).init.checkpoint]


def title(value: object) -> str:
    return value.name if isinstance(value, Sweep | Row) else str(value)


def recipe_of(sweep: Sweep) -> Path:
    return sweep.config.parents[1]


def planned(recipe: Path, arguments: list[str]) -> dict[str, str]:
    """What a recipe's script sets its variables to, before the stages; none of them is run."""
    command = ["bash", "-x", str(recipe / "run.sh"), *arguments, "--stage", "7"]
    environment = {**os.environ, "PYTHON": sys.executable, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr[-500:]
    return dict(re.findall(r"^\++ (config|exp|shards)=(\S+)$", done.stderr, re.MULTILINE))


def test_rows_that_start_from_weights_are_found_and_say_which_command_makes_them() -> None:
    assert len(STARTED) >= 17
    assert [row.name for _, row in STARTED if not row.made_by] == []


@pytest.mark.slow
@pytest.mark.parametrize(("sweep", "row"), STARTED, ids=title)
def test_the_command_leaves_the_checkpoint_that_the_row_starts_from(sweep: Sweep, row: Row) -> None:
    recipe, words = recipe_of(sweep), shlex.split(row.made_by)
    options = dict(pairwise(words))
    target = fine_tuned(sweep, row)
    if words[0] == "bash":
        assert words[1] == f"egs/{recipe.name}/run.sh"
        assert options["--stop-stage"] == "3"
        found = planned(recipe, words[2:])
        checkpoint = Path(found["exp"]) / "pretrain" / "all"
        config, laid_over = recipe / found["config"], options.get("--set", "").split()
    else:
        assert words[:2] == ["asclf", "train"]
        checkpoint = recipe / options["--exp"] / "all"
        config, laid_over = recipe / options["--config"], []
    assert target.init.checkpoint == checkpoint.relative_to(recipe).as_posix()
    before = load_experiment(config, laid_over)
    for part in ("sample_rate", "frontend", "backbone"):
        assert getattr(before, part) == getattr(target, part), part
    assert "head" in target.init.drop
