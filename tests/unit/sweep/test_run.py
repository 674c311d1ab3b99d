"""A whole sweep on a toy problem: trained, scored, tested, and not done twice."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from asclf.cli.main import main
from asclf.score.kept_sweeps import SweepResult
from asclf.sweep import run
from asclf.sweep.spec import load_sweep
from asclf.train.jobs import Job, Outcome

SWEEP = """
config: net.yaml
set: {train.epochs: 1, train.average_last: 1}
rows: {plain: {}, quiet: {loss.label_smoothing: 0.0}}
folds: [1, 2]
seeds: [3]
"""


def test_a_sweep_that_is_stopped_fails_nowhere_and_writes_what_there_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stopped(jobs: Sequence[Job], *_: object, **__: object) -> list[Outcome]:
        return [Outcome(jobs[0], 143)]

    (tmp_path / "sweep.yaml").write_text(SWEEP)
    (tmp_path / "net.yaml").write_text("backbone: {type: tdnn}")
    monkeypatch.setattr(run, "run_jobs", stopped)
    sweep, exp = load_sweep(tmp_path / "sweep.yaml"), tmp_path / "exp"
    result = run.run_sweep(sweep, exp, command="", asked_to_stop=lambda: 15, on_line=print)
    assert (result.planned, result.rows) == (("plain", "quiet"), ())
    assert (exp / "sweep.md").is_file()


@pytest.mark.slow
def test_a_sweep_ends_in_a_table_and_goes_on_where_it_stopped(
    tiny_shards: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, exp = tmp_path / "sweep.yaml", tmp_path / "exp"
    path.write_text(SWEEP)
    (tmp_path / "net.yaml").write_text("backbone: {type: tdnn, channels: 8, embed_dim: 6}")
    recipe = tmp_path / "recipe"
    recipe.mkdir()
    command = ["sweep", str(path), "--exp", str(exp), "--results", str(recipe), "--jobs", "2"]
    command += [f"data.shards={tiny_shards}", "data.num_workers=0"]
    assert main(command) == 0
    result = SweepResult.read(recipe / "results/sweeps/sweep.json")
    assert [(row.name, row.clips, row.folds) for row in result.rows] == [
        ("plain", 18, (1, 2)),
        ("quiet", 18, (1, 2)),
    ]
    assert result.rows[1].versus is not None
    assert "| quiet | " in capsys.readouterr().out
    assert (exp / "sweep.md").is_file()
    reports = sorted(exp.glob("*/seed3/report.json"))
    written = [report.stat().st_mtime_ns for report in reports]
    (reports[0].parent / "fold1" / "summary.json").touch()  # as if trained again
    assert main(command) == 0
    again = [report.stat().st_mtime_ns for report in reports]
    assert [old == new for old, new in zip(written, again, strict=True)] == [False, True]
    path.write_text(SWEEP.replace("smoothing: 0.0", "smoothing: 0.2"))
    capsys.readouterr()
    assert main(command) == 2  # and no figure of another setting in the table
    assert "quiet, seed 3" in capsys.readouterr().err
    assert "this run has loss.label_smoothing = 0.0" in (exp / "quiet/seed3/train.log").read_text()
    assert "| quiet |  |" in (exp / "sweep.md").read_text()
