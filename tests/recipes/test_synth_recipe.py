"""The recipe of generated sounds from nothing to a benchmarked model, and the stages it shares."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
TINY = ("--clips-per-class", "4", "--folds", "1 2", "--set", "train.epochs=1 train.average_last=1")


def recipe(*arguments: str, cwd: Path, name: str = "synth") -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHON": sys.executable, "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        ["bash", ROOT / "egs" / name / "run.sh", *arguments],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
    )


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The whole recipe, run once from another folder; where it worked, and what it printed."""
    cwd = tmp_path_factory.mktemp("a folder with spaces")
    finished = recipe("--work-dir", "work", *TINY, cwd=cwd)
    assert finished.returncode == 0, finished.stdout + finished.stderr
    return cwd / "work", finished.stdout


def test_recipe_ends_with_a_table_of_score_and_model(done: tuple[Path, str]) -> None:
    folder, printed = done
    report = json.loads((folder / "exp/synth/report.json").read_text("utf-8"))
    table = printed[printed.index("Results") :]
    assert f"{report['correct']} of {report['clips']} clips" in table
    for word in ("accuracy", "95 % interval", "model.onnx", "size", "latency"):
        assert word in table
    assert report["clips"] == 16
    assert report["partial"]


def test_every_stage_has_its_log_and_time(done: tuple[Path, str]) -> None:
    folder, printed = done
    for number in range(8):
        log = (folder / f"exp/synth/log/stage{number}.log").read_text("utf-8")
        assert f"== stage {number}: " in log
        assert f"== stage {number}: {log.rpartition(': ')[2].strip()}" in printed


def test_recipe_run_again_trains_nothing_again(done: tuple[Path, str]) -> None:
    folder, _ = done
    weights = folder / "exp/synth/fold1/final.safetensors"
    before = weights.stat().st_mtime_ns
    again = recipe("--work-dir", str(folder), *TINY, "--stop-stage=5", cwd=folder)
    assert again.returncode == 0, again.stdout
    assert weights.stat().st_mtime_ns == before


@pytest.mark.parametrize("folder", ["data", "shards", "exp"])
@pytest.mark.parametrize("name", ["synth", "esc50"])
def test_what_a_recipe_writes_is_no_part_of_the_checkout(name: str, folder: str) -> None:
    path = f"egs/{name}/{folder}/anything"
    subprocess.run(["git", "check-ignore", "--quiet", path], cwd=ROOT, check=True)


@pytest.mark.parametrize(("stage", "missing"), [(1, 0), (2, 1), (4, 2), (5, 4), (6, 4), (7, 6)])
def test_stage_without_its_input_names_the_stage_to_run_first(
    tmp_path: Path, stage: int, missing: int
) -> None:
    stopped = recipe("--stage", str(stage), "--work-dir", str(tmp_path), cwd=tmp_path)
    assert stopped.returncode == 2
    assert f"which stage {missing} makes; run with --stage {missing}" in stopped.stdout
    assert "Traceback" not in stopped.stdout + stopped.stderr


def test_stage_3_alone_says_that_nothing_is_asked_for(tmp_path: Path) -> None:
    alone = recipe("--stage", "3", "--stop-stage", "3", "--work-dir", str(tmp_path), cwd=tmp_path)
    assert alone.returncode == 0
    assert "no --pretrain is asked for" in alone.stdout


@pytest.mark.parametrize("name", ["synth", "esc50"])
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--stop-stag", "3"], "unknown option --stop-stag; did you mean --stop-stage?"),
        (["--fold=1"], "unknown option --fold; did you mean --folds?"),
        (["--recipe-dir", "/"], "unknown option --recipe-dir"),
        (["--folds-known", "3"], "unknown option --folds-known"),
        (["--stage"], "--stage needs a value"),
        (["--stage", "--folds", "1"], "--stage needs a value"),
        (["--stage", "9"], "a stage is a number from 0 to 7"),
        (["3"], "'3' is no option"),
        (["--folds", "one"], "--folds 'one' is no list of numbers"),
        (["--nproc", "2"], "--nproc 2: training runs in one process"),
        (["--pretrain", "us8k"], "--pretrain us8k: there is no pre-training yet"),
        (["--engine", "deepspeed"], "`engine` is \"deepspeed\"; expected 'torch'"),
        (["--set", "sead=1"], "unknown key 'sead'; did you mean 'seed'?"),
        (["--config", "conf/none.yaml"], "conf/none.yaml: cannot read the configuration"),
    ],
)
def test_option_that_cannot_be_used_is_one_line(
    tmp_path: Path, name: str, arguments: list[str], message: str
) -> None:
    stopped = recipe("--work-dir", str(tmp_path), *arguments, cwd=tmp_path, name=name)
    assert stopped.returncode == 2
    assert message in stopped.stderr
    assert stopped.stdout == ""
    assert not list(tmp_path.iterdir())


def test_help_shows_every_option_and_the_stages(tmp_path: Path) -> None:
    shown = recipe("--help", cwd=tmp_path, name="esc50")
    assert shown.returncode == 0
    for option in ("stage", "stop-stage", "subset", "folds", "data-dir", "config", "set", "nproc"):
        assert f"  --{option} " in shown.stdout
    assert "0 download · 1 manifest · 2 shard" in shown.stdout
