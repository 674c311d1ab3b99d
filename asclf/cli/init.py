"""Begins with a folder of one's own recordings: looks at each, and writes all that training needs.

DIR has a folder for each class, of any depth and in any format that can be decoded. Or a table
names the recordings: --csv FILE with the columns path and label and, where known, source_id, fold
and split (train, validation, test); its paths are absolute, or relative to DIR.

It finds what cannot be read, is silent, clipped, or there twice (the same bytes, or the same sound
at another level, rate or format), and deals folds that part no source and no sound. Into a new
folder it writes manifest.jsonl, config.yaml, report.md, report.json and run.sh, which trains,
scores and exports with these verbs alone.

Examples:
  asclf init recordings
  asclf init recordings --out bells --source-pattern '^(\\d+)-'
  asclf init recordings --csv labels.csv --jobs 4
"""

from __future__ import annotations

import os
import re
import shlex
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from asclf.cli._parser import positive_int
from asclf.cli._progress import bar
from asclf.errors import DataError, UsageError

if TYPE_CHECKING:
    from asclf.data.inspect_survey import Survey


def add_arguments(parser: ArgumentParser) -> None:
    """Declares the arguments."""
    parser.add_argument("folder", type=Path, metavar="DIR", help="the recordings")
    parser.add_argument("--csv", type=Path, metavar="FILE", help="a table of the recordings")
    parser.add_argument(
        "--out", type=Path, metavar="DIR", help="new folder to write (default: ./NAME_asclf)"
    )
    parser.add_argument(
        "--source-pattern",
        type=_pattern,
        metavar="REGEX",
        help="finds the source in a file's name: group 1, or all that matches",
    )
    parser.add_argument(
        "--folds", type=positive_int, metavar="N", help="folds to deal (default: 5, or fewer)"
    )
    parser.add_argument(
        "--jobs",
        type=positive_int,
        default=os.cpu_count() or 1,
        metavar="N",
        help="processes that decode (default: one a core)",
    )


def run(options: Namespace) -> int:
    """Runs the verb."""
    from asclf.data.inspect_project import write_project
    from asclf.data.inspect_sources import list_csv, list_folder
    from asclf.data.inspect_survey import survey

    folder, name = options.folder, options.folder.resolve().name
    out = options.out or Path(f"{name}_asclf")
    _check(options, out)
    listing = (
        list_csv(options.csv, folder, options.source_pattern)
        if options.csv
        else list_folder(folder, options.source_pattern)
    )
    with bar("listening", "files") as show:
        found = survey(listing, num_folds=options.folds, jobs=options.jobs, progress=show)
    write_project(found, out, name)
    _show(found)
    print(f"{out}: manifest.jsonl, config.yaml, report.md, report.json, run.sh")
    print(f"next: bash {shlex.quote(str(out / 'run.sh'))}")
    return 0


def _pattern(text: str) -> re.Pattern[str]:
    try:
        return re.compile(text)
    except re.error as error:
        raise ArgumentTypeError(f"{text!r} is no regular expression: {error}") from error


def _check(options: Namespace, out: Path) -> None:
    if options.folds == 1:
        raise UsageError("--folds 1 leaves nothing to train on", expected="2 or more")
    if out.resolve().is_relative_to(options.folder.resolve()):
        raise DataError(
            "it lies among the recordings, where it would be taken for a class",
            where=out,
            hint="name a folder elsewhere with --out",
        )


def _show(found: Survey) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    from asclf.data.inspect_report import class_table, printable, summary, warnings

    header, rows = class_table(found)
    table = Table(*header, box=None, pad_edge=False)
    for row in rows:
        table.add_row(*(escape(printable(cell)) for cell in row))
    Console().print(table)
    print(summary(found))
    for warning in warnings(found):
        print(f"! {warning}")
