"""What the rows of a sweep start from: that it is there, and the same as when they were trained."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from asclf.cli.main import main
from asclf.errors import CheckpointError, ConfigError
from asclf.files import sha256_of
from asclf.score.experiment import score_experiment
from asclf.score.report_page import write_report
from asclf.score.runs import config_sha256, read_run
from asclf.sweep import run
from asclf.sweep.run import Member
from asclf.sweep.spec import Row, Sweep, load_sweep
from asclf.train.jobs import Job, Outcome

SWEEP = """
config: net.yaml
rows:
  none: {}
  here: {init.checkpoint: HERE}
  absent: {init.checkpoint: exp/x/pretrain/all, init.drop: [head]}
  other: {init.checkpoint: exp/y/pretrain/all}
made_by: {absent: bash make.sh --pretrain x}
seeds: [0, 1]
"""


@pytest.fixture
def sweep(tmp_path: Path) -> Sweep:
    (tmp_path / "here.safetensors").write_bytes(b"weights")
    (tmp_path / "net.yaml").write_text("backbone: {type: tdnn}")
    text = SWEEP.replace("HERE", str(tmp_path / "here.safetensors"))
    (tmp_path / "sweep.yaml").write_text(text)
    return load_sweep(tmp_path / "sweep.yaml")


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the jobs that would be run; none is."""
    names: list[str] = []

    def note(jobs: Sequence[Job], *_: object, **__: object) -> list[Outcome]:
        names.extend(job.name for job in jobs)
        return []

    monkeypatch.setattr(run, "run_jobs", note)
    return names


def run_rows(sweep: Sweep, exp: Path, *rows: str) -> None:
    run.run_sweep(sweep, exp, rows=rows, command="", asked_to_stop=lambda: 0, on_line=print)


def test_weights_that_are_missing_stop_a_sweep_before_it_trains_and_say_who_makes_them(
    sweep: Sweep, started: list[str], tmp_path: Path
) -> None:
    with pytest.raises(CheckpointError) as caught:
        run_rows(sweep, tmp_path / "exp")
    assert str(caught.value) == (
        "the weights to start from are missing: 'absent' needs exp/x/pretrain/all, made by "
        "`bash make.sh --pretrain x`; 'other' needs exp/y/pretrain/all; expected a checkpoint or a "
        "run's folder, seen from the current folder; make them first, or train other rows alone: "
        "--row NAME"
    )
    assert started == []
    assert not (tmp_path / "exp").exists()


def test_rows_that_are_named_are_trained_without_the_others(
    sweep: Sweep, started: list[str], tmp_path: Path
) -> None:
    run_rows(sweep, tmp_path / "exp", "here", "none")
    assert started == ["none, seed 0", "here, seed 0", "none, seed 1", "here, seed 1"]
    with pytest.raises(ConfigError, match="there is no row 'nonne'; expected one of 'none', 'her"):
        run_rows(sweep, tmp_path / "exp", "nonne")


def test_the_command_line_names_rows(
    sweep: Sweep, started: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    folder = sweep.config.parent
    command = ["sweep", str(folder / "sweep.yaml"), "--exp", str(folder / "exp")]
    assert main([*command, "--row", "here"]) == 0
    assert started == ["here, seed 0", "here, seed 1"]
    assert main(command) == 2
    assert "made by `bash make.sh --pretrain x`" in capsys.readouterr().err


def test_a_score_from_other_weights_of_the_same_name_is_not_taken_for_the_rows(
    tiny_experiment: Path, tmp_path: Path
) -> None:
    folders = [tmp_path / name / "pretrain" / "all" for name in ("A", "B")]
    for folder in folders:
        folder.mkdir(parents=True)
        (folder / "final.safetensors").write_bytes(folder.parts[-3].encode())
    plain = read_run(tiny_experiment / "fold1").checkpoint.config
    configs = [
        replace(plain, init=replace(plain.init, checkpoint=str(folder))) for folder in folders
    ]
    assert config_sha256(configs[0]) == config_sha256(configs[1])  # which knows the name alone
    for fold in (1, 2):
        path = tiny_experiment / f"fold{fold}" / "data.json"
        facts = json.loads(path.read_text(encoding="utf-8"))
        facts["init_sha256"] = sha256_of(folders[0] / "final.safetensors")
        path.write_text(json.dumps(facts), encoding="utf-8")
    report, _ = score_experiment(tiny_experiment, command="x")
    write_report(replace(report, config_sha256=config_sha256(configs[0])), tiny_experiment)
    from_a, from_b = (
        Member(Row("x", {}), 0, tiny_experiment, (1, 2), config) for config in configs
    )
    assert from_a.is_scored
    assert not from_b.is_scored
    (folders[0] / "final.safetensors").write_bytes(b"pre-trained again")
    assert not from_a.is_scored
    (folders[0] / "final.safetensors").unlink()
    folders[0].rmdir()
    assert from_a.is_scored  # the score outlives what it started from
