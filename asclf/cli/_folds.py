"""Several folds at once, each trained by a process of its own."""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Sequence
from typing import TYPE_CHECKING

from asclf.edge.machine import usable_cores

if TYPE_CHECKING:
    from asclf.train.jobs import Job, Outcome
    from asclf.train.run import Run
    from asclf.train.stop import AskedToStop

TAIL_LINES = 15


def train_at_once(runs: Sequence[Run], options: Namespace, asked_to_stop: AskedToStop) -> int:
    """Trains each run by `asclf train` in a process of its own, `options.jobs` at a time.

    What they say goes to stderr and into `train.log` of their folders. Those that failed are named
    at the end, with the end of what they said.

    Returns:
        The exit status: 0; 2 where all that failed did by an error of the user's, else 1; or that
        of the signal that asked to stop.
    """
    from asclf.train.jobs import places_for, run_jobs

    places = places_for(min(options.jobs, len(runs)))
    threads = max(1, usable_cores() // len(places))
    jobs = [_job(run, options, threads) for run in runs]
    outcomes = run_jobs(jobs, places, asked_to_stop=asked_to_stop, on_line=_pass_on)
    if number := asked_to_stop():
        print("stopped; go on with --resume", file=sys.stderr)
        return 128 + number
    for outcome in outcomes:
        _report(outcome)
    statuses = {outcome.status for outcome in outcomes} - {0}
    return max(statuses, default=0) if statuses <= {2} else 1


def _job(run: Run, options: Namespace, threads: int) -> Job:
    from asclf.train.jobs import Job

    fold = run.config.data.test_fold
    command = [sys.executable, "-m", "asclf.cli.main", "train", *options.overrides]
    command += ["--config", str(options.config), "--exp", str(run.folder.path.parent)]
    command += ["--folds", str(fold), *(["--resume"] if options.resume else [])]
    command += ["--allow-leakage"] if options.allow_leakage else []
    if not run.config.train.num_threads:
        command.append(f"train.num_threads={threads}")
    return Job(run.folder.path.name, command, run.folder.log)


def _pass_on(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _report(outcome: Outcome) -> None:
    job = outcome.job
    if not outcome.status:
        print(f"trained: {job.log.parent}")
        return
    print(f"{job.name} failed ({outcome.reason}); the end of {job.log}:", file=sys.stderr)
    for line in job.tail(TAIL_LINES):
        print(f"    {line}", file=sys.stderr)
