"""Trains and scores one experiment at many settings, and writes one table of them.

The file names the experiment and its rows: settings by name, or a grid of values; and folds and
seeds. Every row is scored on the same clips and tested against the first, or against `baseline`.
What is done is not done again; a sweep that was cut off goes on where it stopped. Where weights
that a row starts from are not there yet, nothing is trained, and the command that makes them told.

Examples:
  asclf sweep conf/sweeps/table4.yaml data.shards=shards/esc10_16000
  asclf sweep conf/sweeps/table4.yaml data.shards=shards/esc10_16000 --jobs 2 --results egs/esc50
  asclf sweep conf/sweeps/table5_esc10.yaml data.shards=shards/esc10_16000 --row none --results .
"""

from __future__ import annotations

import os
import sys
from argparse import ArgumentParser, Namespace
from pathlib import Path

from asclf.cli._parser import positive_int


def add_arguments(parser: ArgumentParser) -> None:
    """Declares the arguments."""
    parser.add_argument("sweep", type=Path, metavar="SWEEP.yaml", help="the sweep's file")
    parser.add_argument(
        "--exp", type=Path, help="folder for all runs (default: exp/sweeps/ and the sweep's name)"
    )
    parser.add_argument(
        "--jobs", type=positive_int, default=1, metavar="N", help="trained at once (default: 1)"
    )
    parser.add_argument(
        "--row",
        action="append",
        default=[],
        metavar="NAME",
        help="train this row alone; may be given several times (default: all rows)",
    )
    parser.add_argument(
        "--results", type=Path, metavar="DIR", help="recipe's folder to keep the figures in"
    )
    parser.add_argument(
        "overrides", nargs="*", metavar="key.path=value", help="laid over the experiment's file"
    )


def run(options: Namespace) -> int:
    """Runs the verb."""
    from asclf.score.ledger import check_recipe
    from asclf.score.provenance import portable_command
    from asclf.sweep.run import run_sweep
    from asclf.sweep.spec import load_sweep
    from asclf.sweep.table import sweep_table
    from asclf.sweep.tables import keep
    from asclf.train.stop import stop_on_signals

    if options.results:
        check_recipe(options.results)
    sweep = load_sweep(options.sweep, options.overrides)
    with stop_on_signals() as asked_to_stop:
        result = run_sweep(
            sweep,
            options.exp or Path("exp/sweeps") / sweep.name,
            overrides=options.overrides,
            rows=options.row,
            jobs=options.jobs,
            command=portable_command(options.command, os.environ),
            asked_to_stop=asked_to_stop,
            on_line=lambda line: print(line, file=sys.stderr, flush=True),
        )
    if options.results:
        print(f"kept in {keep(result, options.results)}")
    print(sweep_table(result))
    return 128 + asked_to_stop() if asked_to_stop() else 0
