"""Trains a classifier: for each fold one run, with that fold left out.

Before anything is trained, sources and bytes of the clips left out are compared with those trained
on; what is in common is written down, and more than the few clips that official folds share is
refused unless --allow-leakage is given.

Any value of the configuration can be set by key.path=value.

A run that was cut off, at whatever point, goes on with --resume after its last whole epoch. SIGTERM
and Ctrl-C let it end its step and keep its state first, so that nothing is done again (status 143
and 130); a second one ends it at once. Either way its weights will be those of a run left alone.

Examples:
  asclf train --config conf/esc10.yaml --exp exp/esc10 data.shards=shards/esc10 --folds "1 2"
  asclf train --config conf/esc10.yaml --exp exp/esc10 data.shards=shards/esc10 data.test_fold=1
  asclf train --config conf/esc10.yaml data.shards=shards/esc10 --folds all --jobs 2
  asclf train --config conf/esc10.yaml --exp exp/esc10 data.shards=shards/esc10 --resume seed=3
  torchrun --nproc-per-node 2 -m asclf.cli.main train --config conf/esc10.yaml train.engine=ddp
"""

from __future__ import annotations

import logging
import os
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from asclf.cli._parser import folds_or_all, positive_int
from asclf.cli._progress import training_bars
from asclf.cli.score import command_line
from asclf.errors import UsageError

if TYPE_CHECKING:
    from asclf.train.peers import Peers
    from asclf.train.stop import AskedToStop


def add_arguments(parser: ArgumentParser) -> None:
    """Declares the arguments."""
    parser.add_argument("--config", required=True, type=Path, metavar="C", help="the YAML file")
    parser.add_argument(
        "--exp",
        type=Path,
        metavar="EXP",
        help="folder for the runs (default: exp/ and the configuration's name)",
    )
    parser.add_argument(
        "--folds",
        type=folds_or_all,
        metavar='"1 2"|all',
        help="folds to leave out in turn (default: data.test_fold of the configuration)",
    )
    parser.add_argument(
        "--jobs",
        type=positive_int,
        default=1,
        metavar="N",
        help="folds to train at once, cores and GPUs dealt out among them (default: 1)",
    )
    parser.add_argument("--resume", action="store_true", help="go on with runs that were cut off")
    parser.add_argument(
        "--allow-leakage",
        action="store_true",
        help="train even where test clips have their source or their bytes in common with training",
    )
    parser.add_argument("overrides", nargs="*", metavar="key.path=value", help="laid over the file")


@contextmanager
def _said_by(peers: Peers) -> Iterator[None]:
    """Of processes that train together one tells how it goes; the others tell what goes wrong."""
    logger = logging.getLogger("asclf")
    level = logger.level
    if not peers.leads:
        logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        logger.setLevel(level)


def run(options: Namespace) -> int:
    """Runs the verb."""
    from asclf.device import keep_freed_memory
    from asclf.train.peers import join_peers
    from asclf.train.stop import stop_on_signals

    options.exp = options.exp or Path("exp") / options.config.stem
    keep_freed_memory()
    with stop_on_signals() as asked_to_stop, join_peers() as peers, _said_by(peers):
        if options.jobs > 1:
            return _train_at_once(options, peers, asked_to_stop)
        return _train(options, peers, asked_to_stop)


def _train(options: Namespace, peers: Peers, asked_to_stop: AskedToStop) -> int:
    from asclf.score.provenance import portable_command
    from asclf.train.run import train_experiment
    from asclf.train.stop import StoppedError

    try:
        with training_bars() as bars:
            runs = train_experiment(
                options.config,
                options.exp,
                overrides=options.overrides,
                folds=options.folds,
                resume=options.resume,
                progress=bars if peers.leads else None,
                peers=peers,
                asked_to_stop=asked_to_stop,
                allow_leakage=options.allow_leakage,
                command=portable_command(command_line(options.command), os.environ),
            )
    except StoppedError as stopped:
        if peers.leads:
            print(stopped, file=sys.stderr)
        return stopped.status
    for path in runs:
        if peers.leads:
            print(f"trained: {path}")
    return 0


def _train_at_once(options: Namespace, peers: Peers, asked_to_stop: AskedToStop) -> int:
    from asclf.cli._folds import train_at_once
    from asclf.train.run import plan_experiment

    if peers.world_size > 1:
        raise UsageError(
            f"--jobs {options.jobs} in {peers.world_size} processes that train one fold together",
            where="asclf train",
            hint="leave --jobs out, or torchrun",
        )
    _, runs = plan_experiment(
        options.config,
        options.exp,
        overrides=options.overrides,
        folds=options.folds,
        resume=options.resume,
        allow_leakage=options.allow_leakage,
    )
    if runs[0].config.data.test_fold is None:  # one run alone, on everything
        return _train(options, peers, asked_to_stop)
    return train_at_once(runs, options, asked_to_stop)
