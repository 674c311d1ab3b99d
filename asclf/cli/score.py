"""Scores an experiment: each finished run on the fold it left out, all clips pooled.

Where the dataset has a split in place of folds, the run `all` is scored on the split `test`.

Writes report.json, report.md, confusion.png and scores.npz (the logits of every clip) into EXP.
With --results the score is also kept in a recipe's folder, whose RESULTS.md is written anew.

Examples:
  asclf score exp/esc10
  asclf score exp/esc10 --folds "1 2" --official-folds 5 --results egs/esc50
"""

from __future__ import annotations

import logging
import os
import shlex
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from asclf.cli._parser import fold_list, positive_int
from asclf.cli._progress import counter
from asclf.errors import MissingExtraError

if TYPE_CHECKING:
    from asclf.score.report import Report

logger = logging.getLogger(__name__)


def add_arguments(parser: ArgumentParser) -> None:
    """Declares the arguments."""
    parser.add_argument("exp", type=Path, metavar="EXP", help="the experiment's folder")
    parser.add_argument(
        "--folds", type=fold_list, metavar='"1 2"', help="folds to score (default: all trained)"
    )
    parser.add_argument(
        "--official-folds",
        type=positive_int,
        metavar="N",
        help="folds of the whole dataset, so that a score of fewer is marked as partial "
        "(default: those in the shards)",
    )
    parser.add_argument(
        "--missing",
        default="",
        metavar="TEXT",
        help="what else of the dataset is not there, which marks the score as partial",
    )
    parser.add_argument(
        "--results", type=Path, metavar="DIR", help="recipe's folder to keep the score in"
    )


def run(options: Namespace) -> int:
    """Runs the verb."""
    from asclf.score.experiment import score_experiment
    from asclf.score.ledger import record
    from asclf.score.provenance import portable_command
    from asclf.score.report import write_report

    with counter("scoring", "clips") as show:
        report, scores = score_experiment(
            options.exp,
            options.folds,
            official_folds=options.official_folds,
            missing=options.missing,
            command=portable_command(command_line(options.command), os.environ),
            on_clips=show,
        )
    scores.save(options.exp / "scores.npz")
    write_report(report, options.exp)
    _draw(report, options.exp / "confusion.png")
    if options.results:
        print(f"kept in {record(report, options.results)}")
    show_summary(report, options.exp)
    return 0


def command_line(own: Sequence[str]) -> Sequence[str]:
    """What a person typed: the recipe's command (`ASCLF_COMMAND`) where one runs this verb."""
    recipe = os.environ.get("ASCLF_COMMAND")
    return shlex.split(recipe) if recipe else own


def _draw(report: Report, path: Path) -> None:
    from asclf.score.figures import write_confusion_png

    try:
        write_confusion_png(report, path)
    except MissingExtraError as error:
        logger.warning("%s is left out: %s", path, error)


def show_summary(report: Report, folder: Path) -> None:
    """Prints the folds, and the accuracy with its interval."""
    from rich.console import Console
    from rich.table import Table

    from asclf.score.result import percent

    table = Table("fold", "correct", "clips", "accuracy", "minutes", box=None, pad_edge=False)
    for fold in report.folds:
        counts = (fold.title, fold.correct, fold.clips)
        table.add_row(*map(str, counts), percent(fold.accuracy), f"{fold.minutes:.1f}")
    Console().print(table)
    print(f"{report.name}: {report.line}")
    print(
        f"mean of the folds {report.spread}, macro F1 {report.macro_f1:.3f}; see {folder}/report.md"
    )
