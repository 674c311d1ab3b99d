"""Trains and scores a model under four protocols, and shows the four figures side by side.

official: the folds as they are, the last epochs averaged. nested: as many epochs, those that were
best on another fold. test_selected: those that were best on the very fold that is scored.
leaky_random: as official, on folds dealt at random, whatever recordings the clips were cut from.
The last two are too high, and are how many published figures were made: the difference is worth
knowing before one is compared with them. train.average_best=1 takes the one best epoch.

Each protocol has its experiment in a folder of EXP. The same command goes on where it was cut off;
with --results it keeps the four figures in a recipe's folder, and trains nothing that is trained.

Examples:
  asclf protocols data/manifest.jsonl --config c.yaml --exp exp/four data.shards=shards/esc10
  asclf protocols data/manifest.jsonl --config c.yaml --exp exp/four data.shards=shards --folds 1
  asclf protocols m.jsonl --config c.yaml --exp exp/four data.shards=shards --results egs/esc50
"""

from __future__ import annotations

import os
import sys
from argparse import ArgumentParser, Namespace
from pathlib import Path

from asclf.cli._parser import fold_list, positive_int
from asclf.cli._progress import training_bars


def add_arguments(parser: ArgumentParser) -> None:
    """Declares the arguments."""
    parser.add_argument(
        "manifest", type=Path, metavar="MANIFEST", help="what the shards were made from"
    )
    parser.add_argument("--config", required=True, type=Path, metavar="C", help="the YAML file")
    parser.add_argument(
        "--exp", required=True, type=Path, metavar="EXP", help="folder for the four experiments"
    )
    parser.add_argument(
        "--folds", type=fold_list, metavar='"1 2"', help="folds to leave out in turn (default: all)"
    )
    parser.add_argument(
        "--official-folds",
        type=positive_int,
        metavar="N",
        help="folds of the whole dataset, as for asclf score (default: those in the shards)",
    )
    parser.add_argument(
        "--missing",
        default="",
        metavar="TEXT",
        help="what else of the dataset is not there, which marks the scores as partial",
    )
    parser.add_argument(
        "--results", type=Path, metavar="DIR", help="recipe's folder to keep the scores in"
    )
    parser.add_argument("overrides", nargs="*", metavar="key.path=value", help="laid over the file")


def run(options: Namespace) -> int:
    """Runs the verb."""
    from rich.console import Console
    from rich.table import Table

    from asclf.device import keep_freed_memory
    from asclf.score.ledger import check_recipe, record
    from asclf.score.provenance import portable_command
    from asclf.score.side_by_side import HEADER, row
    from asclf.train.protocols import compare_protocols
    from asclf.train.stop import StoppedError, stop_on_signals

    if options.results:
        check_recipe(options.results)
    keep_freed_memory()
    try:
        with stop_on_signals() as asked_to_stop, training_bars() as bars:
            reports = compare_protocols(
                options.config,
                options.exp,
                options.manifest,
                overrides=options.overrides,
                folds=options.folds,
                official_folds=options.official_folds,
                missing=options.missing,
                command=portable_command(options.command, os.environ),
                progress=bars,
                asked_to_stop=asked_to_stop,
            )
    except StoppedError as stopped:
        print(f"{stopped.where}: {stopped.what}; the same command goes on", file=sys.stderr)
        return stopped.status
    table = Table(*HEADER, box=None, pad_edge=False)
    for report in reports.values():
        table.add_row(*row(report))
        if options.results:
            print(f"kept in {record(report, options.results)}")
    Console().print(table)
    print(f"kept in {options.exp / 'protocols.md'}")
    return 0
