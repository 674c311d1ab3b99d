"""Every YAML file in the tree can be used as it stands."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from asclf.config import load_experiment
from asclf.config.experiment import bind_experiment
from asclf.config.merge import merge
from asclf.config.yaml import parse_yaml, read_yaml
from asclf.sweep.spec import load_sweep

ROOT = Path(__file__).parents[2]
PIECES = sorted((ROOT / "conf").rglob("*.yaml"))
SWEEPS = sorted((ROOT / "egs").glob("*/conf/sweeps/*.yaml"))
EXPERIMENTS = sorted({*(ROOT / "egs").glob("*/conf/**/*.yaml")} - {*SWEEPS})


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("path", EXPERIMENTS, ids=name)
def test_experiment_loads(path: Path) -> None:
    config = load_experiment(path)
    assert config.data.shards is None, "a folder of one machine"
    assert config.data.test_fold is None, "a fold is chosen on the command line"


@pytest.mark.parametrize("path", SWEEPS, ids=name)
def test_sweep_loads_with_the_experiment_of_every_row(path: Path) -> None:
    sweep = load_sweep(path)
    assert len(sweep.rows) >= 2
    assert set(sweep.published.accuracy) & {row.name for row in sweep.rows}


@pytest.mark.parametrize("path", PIECES, ids=name)
def test_shared_piece_fits_into_an_experiment(path: Path) -> None:
    piece = read_yaml(path)
    assert piece.plain(), "an empty piece"
    bind_experiment(merge(parse_yaml("backbone: {type: ecapa_tdnn}", "minimal"), piece))


def test_shared_piece_is_used() -> None:
    used = {base.name for path in EXPERIMENTS for base in bases(path)}
    assert {path.name for path in PIECES} <= used


def bases(path: Path) -> list[Path]:
    return [Path(base) for base in read_yaml(path).plain().get("base", [])]


def test_no_yaml_is_left_out() -> None:
    listed = subprocess.run(
        ["git", "ls-files", "*.yaml", "*.yml"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    tracked = {ROOT / line for line in listed.stdout.splitlines()}
    assert tracked <= {*PIECES, *EXPERIMENTS, *SWEEPS}
    assert len(PIECES) >= 5
    assert len(EXPERIMENTS) >= 6
    assert len(SWEEPS) >= 8
