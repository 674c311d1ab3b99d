"""Prints a table of a paper: its figures, and ours beside them where a sweep was run.

A folder of sweeps holds table4.yaml, or several files of one table (table1_esc10.yaml,
table1_esc50.yaml, …), each a column. What was not run is an empty cell.

Examples:
  asclf table 4 --recipe egs/esc50
  asclf table 3c --recipe egs/esc50
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path


def add_arguments(parser: ArgumentParser) -> None:
    """Declares the arguments."""
    parser.add_argument("number", metavar="N", help="the table's number, such as 4 or 3c")
    parser.add_argument(
        "--recipe",
        type=Path,
        default=Path(),
        metavar="DIR",
        help="a recipe's folder, with conf/sweeps/ (default: this folder)",
    )


def run(options: Namespace) -> int:
    """Runs the verb."""
    from asclf.sweep.table import paper_table
    from asclf.sweep.tables import results_of_table

    print(paper_table(results_of_table(options.recipe, options.number)))
    return 0
