"""Compares experiments on the clips that all of them have scored, pair by pair.

EXP is the folder of an experiment that `asclf score` has scored. For each pair it prints how many
clips one alone has right, the exact p-value of McNemar's test, and the 95 % interval of the
difference, resampled by recording. Experiments on other clips are not compared.

Examples:
  asclf compare exp/esc10_tdnn exp/esc10_res2net
  asclf compare exp/official exp/nested exp/test_selected --json
"""

from __future__ import annotations

import json
import logging
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from asclf.errors import UsageError

if TYPE_CHECKING:
    from asclf.score.compare import Pair
    from asclf.score.report import Report

logger = logging.getLogger(__name__)


def add_arguments(parser: ArgumentParser) -> None:
    """Declares the arguments."""
    parser.add_argument(
        "exp", type=Path, nargs="+", metavar="EXP", help="the folders of scored experiments"
    )
    parser.add_argument("--json", action="store_true", help="print JSON in place of tables")


def run(options: Namespace) -> int:
    """Runs the verb."""
    from asclf.score.compare import compare
    from asclf.score.report import Report
    from asclf.score.scores import Scores

    if len(options.exp) < 2:
        raise UsageError("one experiment is given", where="asclf compare", expected="two or more")
    reports = [Report.read(exp / "report.json") for exp in options.exp]
    names = [str(exp) for exp in options.exp]
    scores = [Scores.load(exp / "scores.npz") for exp in options.exp]
    pairs = compare(list(zip(names, scores, strict=True)))
    if options.json:
        print(as_json(names, reports, pairs))
    else:
        show(names, reports, pairs)
    return 0


def as_json(names: Sequence[str], reports: Sequence[Report], pairs: Sequence[Pair]) -> str:
    """The comparison as JSON: each experiment's figures, then each pair."""
    experiments = [
        {
            "experiment": name,
            "protocol": report.protocol,
            "warning": report.warning,
            "score": report.share,
            "interval_95": report.interval,
        }
        for name, report in zip(names, reports, strict=True)
    ]
    text = {"experiments": experiments, "pairs": [asdict(pair) for pair in pairs]}
    return json.dumps(text, indent=2, ensure_ascii=False)


def show(names: Sequence[str], reports: Sequence[Report], pairs: Sequence[Pair]) -> None:
    """Prints a table of the experiments, and one of the pairs."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    from asclf.score.result import span_of

    header = ("experiment", "score", "correct", "95 % interval", "protocol")
    table = Table(*header, box=None, pad_edge=False)
    for name, report in zip(names, reports, strict=True):
        protocol = ", ".join(filter(None, [report.protocol, report.warning]))
        table.add_row(
            escape(name), report.headline, report.counted, span_of(report.interval), protocol
        )
    Console().print(table)
    for pair in pairs:
        print(f"\n{describe(pair, several=len(pairs) > 1)}")


def describe(pair: Pair, *, several: bool) -> str:
    """What was found of a pair, in a few lines."""
    adjusted = f" ({pair.p_adjusted:.3g} allowing for all pairs)" if several else ""
    lines = [
        f"{pair.second} against {pair.first}, on {pair.clips} clips:",
        f"right in it alone   {pair.only_second}; in the other alone {pair.only_first}",
        f"McNemar's exact p   {pair.p:.3g}{adjusted}",
        f"difference          {_points(pair.difference)}, 95 % interval "
        f"{_points(pair.interval_95[0])} to {_points(pair.interval_95[1])}",
    ]
    if pair.map_difference is not None and pair.map_interval_95 is not None:
        low, high = map(_points, pair.map_interval_95)
        lines.append(
            f"difference of mAP   {_points(pair.map_difference)}, 95 % interval {low} to {high}"
        )
    return "\n  ".join(lines)


def _points(share: float) -> str:
    return f"{100 * share:+.2f} points"
