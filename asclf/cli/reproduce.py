"""Trains complete runs again as they were trained, and says whether the same weights came of it.

What is stored with a run is trained again: its configuration, on the same shards, with as many
threads. First it is told what else is not as it was then: code, versions, machine. In the end,
whether the final weights are bit-identical; if not, by how much they differ, and what their score
is where the experiment has one. Shards that have moved are named by data.shards=DIR.

Status 0: bit-identical. 3: not.

Examples:
  asclf reproduce exp/esc10
  asclf reproduce exp/esc10/fold1 --exp exp/esc10_on_another_machine
  asclf reproduce exp/esc10 --resume data.shards=shards/esc10
"""

from __future__ import annotations

import os
import sys
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from asclf.cli._progress import training_bars
from asclf.cli.score import command_line

if TYPE_CHECKING:
    from asclf.train.folder import RunFolder

DIFFERENT = 3


def add_arguments(parser: ArgumentParser) -> None:
    """Declares the arguments."""
    parser.add_argument("run", type=Path, metavar="EXP|RUN", help="what to train again")
    parser.add_argument(
        "--exp",
        type=Path,
        metavar="OUT",
        help="folder for the new runs (default: beside the old one, its name with _again)",
    )
    parser.add_argument("--resume", action="store_true", help="go on with what was cut off")
    parser.add_argument(
        "overrides", nargs="*", metavar="key.path=value", help="where files are now"
    )


def run(options: Namespace) -> int:
    """Runs the verb."""
    from asclf.device import keep_freed_memory
    from asclf.train.reproduce import complete_runs
    from asclf.train.stop import StoppedError

    keep_freed_memory()
    runs = complete_runs(options.run)
    exp = runs[0].path.parent
    out = options.exp or exp.resolve().with_name(f"{exp.resolve().name}_again")
    try:
        same = [_reproduce(each, out, options) for each in runs]
    except StoppedError as stopped:
        print(stopped, file=sys.stderr)
        return stopped.status
    if all(same):
        return 0
    _compare_scores(exp, out)
    return DIFFERENT


def _reproduce(run: RunFolder, out: Path, options: Namespace) -> bool:
    from asclf.score.provenance import portable_command
    from asclf.train.reproduce import again, compare, what_differs
    from asclf.train.stop import stop_on_signals

    for line in what_differs(run):
        print(f"{run.path.name}: {line}")
    with stop_on_signals() as asked_to_stop, training_bars() as bars:
        new = again(
            run,
            out,
            overrides=options.overrides,
            resume=options.resume,
            progress=bars,
            asked_to_stop=asked_to_stop,
            command=portable_command(command_line(options.command), os.environ),
        )
    comparison = compare(run, new)
    print(f"{new.path}: {comparison}")
    return comparison.identical


def _compare_scores(exp: Path, out: Path) -> None:
    from asclf.score.experiment import score_experiment
    from asclf.score.report import Report

    if not (exp / "report.json").is_file():
        return
    folds = [int(path.name.removeprefix("fold")) for path in out.glob("fold*")]
    report, _ = score_experiment(out, sorted(folds) or None, command="")
    print(f"score then: {Report.read(exp / 'report.json').line}")
    print(f"score now:  {report.line}")
