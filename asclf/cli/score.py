"""Scores an experiment: each finished run on the fold it left out, all clips pooled.

Where the dataset has a split in place of folds, the run `all` is scored on the split `test`.

Writes report.json, report.md, confusion.png, reliability.png and scores.npz (the logits of every
clip) into EXP. With --results the score is also kept in a recipe's folder, whose RESULTS.md and
EXPERIMENTS.md are written anew. docs/scores.md says what each number means.

Examples:
  asclf score exp/esc10
  asclf score exp/esc10 --folds "1 2" --official-folds 5 --results egs/esc50
  asclf score exp/esc10 --tta 5
"""

from __future__ import annotations

import logging
import os
import shlex
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator, Sequence
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
        "--tta",
        type=positive_int,
        default=1,
        metavar="N",
        help="average the logits of N views of each clip, shifted or cropped; the report says so "
        "(default: the clip as it is)",
    )
    parser.add_argument(
        "--results", type=Path, metavar="DIR", help="recipe's folder to keep the score in"
    )


def run(options: Namespace) -> int:
    """Runs the verb."""
    from asclf.score.experiment import score_experiment
    from asclf.score.ledger import record
    from asclf.score.provenance import portable_command
    from asclf.score.report_page import write_report

    with counter("scoring", "clips") as show:
        report, scores = score_experiment(
            options.exp,
            options.folds,
            official_folds=options.official_folds,
            missing=options.missing,
            views=options.tta,
            command=portable_command(command_line(options.command), os.environ),
            on_clips=show,
        )
    scores.save(options.exp / "scores.npz")
    write_report(report, options.exp)
    _draw(report, options.exp)
    if options.results:
        print(f"kept in {record(report, options.results)}")
    show_summary(report, options.exp)
    return 0


def command_line(own: Sequence[str]) -> Sequence[str]:
    """What a person typed: the recipe's command (`ASCLF_COMMAND`) where one runs this verb."""
    recipe = os.environ.get("ASCLF_COMMAND")
    return shlex.split(recipe) if recipe else own


def _draw(report: Report, folder: Path) -> None:
    from asclf.score.figures import write_figures

    try:
        write_figures(report, folder)
    except MissingExtraError as error:
        logger.warning("%s: its pictures are left out: %s", folder, error)


def show_summary(report: Report, folder: Path) -> None:
    """Prints the folds, and the figures of all clips with what speaks against them."""
    from rich.console import Console
    from rich.table import Table

    from asclf.score.result import percent

    header = ("fold", "correct", "clips", "accuracy", *["mAP"] * bool(report.multi_label))
    table = Table(*header, "minutes", box=None, pad_edge=False)
    for fold in report.folds:
        counts = (fold.title, fold.correct, fold.clips, percent(fold.accuracy))
        precision = [percent(fold.share)] if report.multi_label else []
        table.add_row(*map(str, counts), *precision, f"{fold.minutes:.1f}")
    Console().print(table)
    print(f"{report.name}: {report.line}")
    print(f"{', '.join(further_figures(report))}; see {folder}/report.md")


def further_figures(report: Report) -> Iterator[str]:
    """What stands beside the figures of `line`."""
    from asclf.score.result import percent

    if len(report.folds) > 1:
        yield f"mean of the folds {report.spread}"
    if report.top_5 is not None:
        yield f"among the best five {percent(report.top_5)}"
    if report.multi_label is not None:
        yield f"micro F1 {report.multi_label.micro_f1:.3f}"
    yield f"macro F1 {report.macro_f1:.3f}"
    found = report.calibration
    if found is not None:
        fitted = found.ece_at_temperatures
        better = "no temperature fitted" if fitted is None else f"{fitted:.3f} with temperature"
        yield f"calibration error {found.ece:.3f} ({better})"
    yield f"weights: {report.weights}"
