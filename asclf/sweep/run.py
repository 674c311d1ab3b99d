"""Runs a sweep: what is trained and scored already is not done again."""

from __future__ import annotations

import json
import sys
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from asclf.config.experiment import ExperimentConfig, load_experiment
from asclf.errors import CheckpointError, ConfigError, TrainError
from asclf.files import write_whole
from asclf.score.experiment import score_experiment
from asclf.score.kept_sweeps import SweepResult
from asclf.score.report import Report
from asclf.score.report_page import write_report
from asclf.score.result import Result
from asclf.score.runs import SUMMARY, config_sha256, run_files
from asclf.score.scores import Scores
from asclf.sweep.result import Scored, summarise
from asclf.sweep.spec import Row, Sweep
from asclf.sweep.table import sweep_table
from asclf.train.init import init_file
from asclf.train.jobs import Job, OnLine, places_for, run_jobs
from asclf.train.run import start_facts
from asclf.train.stop import AskedToStop

RESULT, TABLE = "sweep.json", "sweep.md"
REPORT, SCORES, LOG = "report.json", "scores.npz", "train.log"


@dataclass(frozen=True)
class Member:
    """One row with one seed: an experiment of its own.

    Attributes:
        row: The row.
        seed: The seed.
        exp: The experiment's folder.
        folds: Folds to leave out in turn; `None` for all.
        config: What it is to be trained by.
    """

    row: Row
    seed: int
    exp: Path
    folds: tuple[int, ...] | None
    config: ExperimentConfig

    @property
    def is_scored(self) -> bool:
        """Whether its report is of the runs that are there, and of what the sweep says today."""
        path = self.exp / REPORT
        trained = [each.stat().st_mtime for each in self.exp.glob(f"*/{SUMMARY}")]
        if not path.is_file() or not trained or path.stat().st_mtime <= max(trained):
            return False
        report = Report.read(path)
        wanted, found = self.folds or report.folds_known, {each.fold for each in report.folds}
        if report.config_sha256 != config_sha256(self.config) or found != set(wanted):
            return False
        return all(self._is_from_todays_files(fold) for fold in found)

    @property
    def lacks(self) -> str | None:
        """The weights that it starts from, where they are not there."""
        try:
            init_file(self.config.init)
        except CheckpointError:
            return self.config.init.checkpoint
        return None

    def _is_from_todays_files(self, fold: int | None) -> bool:
        """Whether a run started from, and learnt from, the very files that are there now.

        The configuration knows their names alone. A run outlives its files: those that are gone
        cannot be compared, and its score stands.
        """
        data = replace(self.config.data, test_fold=fold)
        try:
            wanted = start_facts(replace(self.config, data=data))
        except CheckpointError:
            return True
        return run_files(self.exp / ("all" if fold is None else f"fold{fold}")) == wanted


def run_sweep(
    sweep: Sweep,
    exp: Path,
    *,
    overrides: Sequence[str] = (),
    rows: Collection[str] = (),
    jobs: int = 1,
    command: str,
    asked_to_stop: AskedToStop,
    on_line: OnLine,
) -> SweepResult:
    """Trains and scores every row with every seed, and writes the table so far.

    Args:
        sweep: What to run.
        exp: Each row's experiments go into a folder of their own in it.
        overrides: `key.path=value` for every row, such as `data.shards=DIR`; under its settings.
        rows: Names of the rows to train, where not all.
        jobs: Experiments that are trained at once, in processes of their own.
        command: The command line that repeats this.
        asked_to_stop: Asked again and again.
        on_line: Told what the processes log.

    Returns:
        What has been scored so far; not all, where it was asked to stop.

    Raises:
        ConfigError: There is no such row.
        CheckpointError: The weights that a row starts from are not there; nothing is trained.
        TrainError: Some could not be trained; the table of the others is written.
        AsclfError: One cannot be scored.
    """
    members = list(plan(sweep, exp, overrides))
    wanted = wanted_rows(sweep, rows)
    waiting = [each for each in members if each.row.name in wanted and not each.is_scored]
    check_starts(waiting)
    work = [_job(sweep, member, overrides, jobs) for member in waiting]
    ended = run_jobs(work, places_for(jobs), asked_to_stop=asked_to_stop, on_line=on_line)
    failed = [outcome for outcome in ended if outcome.status != 0]
    trained = {outcome.job.name for outcome in ended if outcome.status == 0}
    for member in waiting:
        if _name(member) in trained:
            _score(sweep, member, command)
    result = collect(sweep, members)
    write_result(result, exp)
    if failed and not asked_to_stop():  # those that were stopped go on next time
        first = failed[0]
        raise TrainError(
            f"{len(failed)} of {len(work)} could not be trained; {first.job.name} "
            f"({first.reason}) said last: {first.job.tail(1)}",
            where=first.job.log,
            hint="run the sweep again: what is done is not done again",
        )
    return result


def plan(sweep: Sweep, exp: Path, overrides: Sequence[str]) -> Iterator[Member]:
    """Every row with every seed, all rows with the first seed before the next seed."""
    for seed in sweep.seeds:
        for row in sweep.rows:
            values = [f"seed={seed}", *overrides, *row.overrides]
            config = load_experiment(sweep.config, values)
            yield Member(row, seed, exp / row.slug / f"seed{seed}", sweep.folds, config)


def wanted_rows(sweep: Sweep, rows: Collection[str]) -> Collection[str]:
    """The names of the rows to train: those that are asked for, or all.

    Raises:
        ConfigError: There is no such row.
    """
    names = [row.name for row in sweep.rows]
    for name in rows:
        if name not in names:
            raise ConfigError(
                f"there is no row {name!r}",
                where=sweep.name,
                expected=f"one of {', '.join(map(repr, names))}",
            )
    return rows or names


def check_starts(members: Sequence[Member]) -> None:
    """Makes sure that the weights are there which rows start from: hours later would be late.

    Raises:
        CheckpointError: Some are not; says which commands make them.
    """
    found = {each.row.name: (each.row, each.lacks) for each in members}
    lacking = [(row, weights) for row, weights in found.values() if weights]
    if not lacking:
        return
    told = [
        f"{row.name!r} needs {weights}" + (f", made by `{row.made_by}`" if row.made_by else "")
        for row, weights in lacking
    ]
    raise CheckpointError(
        f"the weights to start from are missing: {'; '.join(told)}",
        expected="a checkpoint or a run's folder, seen from the current folder",
        hint="make them first, or train other rows alone: --row NAME",
    )


def collect(sweep: Sweep, members: Sequence[Member]) -> SweepResult:
    """The result of what has been scored so far."""
    scored: dict[str, Scored] = {}
    for member in members:
        if member.is_scored:
            pair = Report.read(member.exp / REPORT), Scores.load(member.exp / SCORES)
            scored[member.row.name] = {**scored.get(member.row.name, {}), member.seed: pair}
    return summarise(sweep, scored)


def write_result(result: SweepResult, folder: Path) -> None:
    """Writes the table, and the figures behind it."""
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps(result.as_dict(), indent=2, ensure_ascii=False, allow_nan=False)
    write_whole(folder / RESULT, text + "\n")
    write_whole(folder / TABLE, sweep_table(result))


def _job(sweep: Sweep, member: Member, overrides: Sequence[str], jobs: int) -> Job:
    folds = " ".join(map(str, sweep.folds)) if sweep.folds else "all"
    threads = ["train.num_threads=1"] if jobs > 1 else []
    command = [
        *(sys.executable, "-m", "asclf.cli.main", "train", "--resume", "--folds", folds),
        *("--config", str(sweep.config), "--exp", str(member.exp), f"seed={member.seed}"),
        *(*threads, *overrides, *member.row.overrides),
    ]
    return Job(_name(member), command, member.exp / LOG)


def _name(member: Member) -> str:
    return f"{member.row.name}, seed {member.seed}"


def _score(sweep: Sweep, member: Member, command: str) -> Result:
    report, scores = score_experiment(member.exp, sweep.folds, command=command)
    scores.save(member.exp / SCORES)
    write_report(report, member.exp)
    return report
