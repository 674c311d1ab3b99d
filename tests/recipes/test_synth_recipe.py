"""The recipe of generated sounds from nothing to a benchmarked model, and the stages it shares."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from asclf.data.manifest import read_manifest

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
@pytest.mark.parametrize("name", ["synth", "esc50", "urbansound8k", "speechcommands"])
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
        (["--nproc", "2"], "--engine torch is one process; take ddp or deepspeed"),
        (["--nproc", "two"], "--nproc two is no number from 1 on"),
        (["--nnodes", "2", "--engine", "ddp"], "--master-addr is missing"),
        (["--node-rank", "1"], "--node-rank 1: with --nnodes 1 it is a number below that"),
        (
            ["--nnodes", "2", "--engine", "ddp", "--master-addr", "localhost"],
            "run with --stage 3 --stop-stage 4 on each",
        ),
        (["--pretrain", "us8k"], "us8k is not there, and no recipe has that name"),
        (["--engine", "horovod"], "`engine` is \"horovod\"; expected 'torch'"),
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


def test_clips_of_several_sounds_have_as_many_labels_and_are_scored(tmp_path: Path) -> None:
    run = recipe("--task", "multi", *TINY, "--work-dir", str(tmp_path), cwd=tmp_path)
    assert run.returncode == 0, run.stdout + run.stderr
    clips = read_manifest(tmp_path / "data" / "synth_multi.jsonl")
    assert {len(clip.labels) for clip in clips} == {1, 2, 3}
    report = json.loads((tmp_path / "exp/synth_multi/report.json").read_text("utf-8"))
    assert report["clips"] == 16
    assert "mAP" in run.stdout


def test_pre_training_leaves_out_what_the_target_has_and_starts_every_fold(
    done: tuple[Path, str], tmp_path: Path
) -> None:
    folder, _ = done
    release = tmp_path / "ESC-50"
    rows = ["filename,fold,category,esc10,src_file"]
    for fold, source in enumerate(["1-tone-0", "b", "c", "d"], 1):
        rows += [f"{fold}-{label}.wav,{fold},{label},False,{source}" for label in ("dog", "cat")]
    (release / "meta").mkdir(parents=True)
    (release / "meta" / "esc50.csv").write_text("\n".join(rows) + "\n")
    (release / "audio").mkdir()
    sounds = sorted((folder / "data" / "audio").glob("*.wav"))
    for row, sound in zip(rows[1:], sounds, strict=False):
        shutil.copy(sound, release / "audio" / row.partition(",")[0])
    options = ["--pretrain", "esc50", "--pretrain-data-dir", str(release), "--stop-stage", "4"]
    tiny = ["--work-dir", str(folder), "--stage", "3", *TINY, "--pretrain-set", "seed=7"]
    run = recipe(*tiny, *options, cwd=tmp_path)
    assert run.returncode == 0, run.stdout + run.stderr
    assert "2 clips of 1 recordings that" in run.stdout
    exp = folder / "exp" / "synth_from_esc50"
    assert (exp / "pretrain" / "all" / "final.safetensors").is_file()
    assert "seed: 7" in (exp / "pretrain" / "all" / "config.yaml").read_text("utf-8")
    for fold in ("fold1", "fold2"):
        tuned = (exp / fold / "config.yaml").read_text("utf-8")
        assert f"checkpoint: {exp}/pretrain/all" in tuned.replace('"', "")
        assert "seed: 0" in tuned


def test_help_shows_every_option_and_the_stages(tmp_path: Path) -> None:
    shown = recipe("--help", cwd=tmp_path, name="esc50")
    assert shown.returncode == 0
    for option in ("stage", "stop-stage", "subset", "folds", "data-dir", "config", "set", "nproc"):
        assert f"  --{option} " in shown.stdout
    assert "0 download · 1 manifest · 2 shard" in shown.stdout
