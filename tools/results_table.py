"""Prints what an experiment came to: its score, and the exported model's place, size and latency.

python tools/results_table.py egs/synth/exp/synth
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from rich.console import Console
from rich.table import Table

from asclf.bundle.folder import MODEL
from asclf.edge.bench import BenchResult
from asclf.score.report import Report
from asclf.score.result import Result, percent


def main(exp: Path) -> None:
    """Prints the table of an experiment that is scored, exported and benchmarked."""
    report = Report.read(exp / "report.json")
    bench = BenchResult.from_json((exp / "bench.json").read_text(encoding="utf-8"))
    table = Table("result", report.name, title="Results", title_justify="left")
    for name, value in (*score_rows(report), *model_rows(exp / "bundle", bench)):
        table.add_row(name, value, end_section=name == "training")
    Console().print(table)


def score_rows(result: Result) -> Iterator[tuple[str, str]]:
    """How well it classifies."""
    low, high = result.interval_95
    yield "accuracy", f"{percent(result.accuracy)} ({result.correct} of {result.clips} clips)"
    yield "95 % interval", f"{100 * low:.1f} to {100 * high:.1f} %"
    yield "mean over folds", result.spread
    yield "scored", result.scope
    yield "training", f"{result.minutes:.1f} minutes"


def model_rows(bundle: Path, bench: BenchResult) -> Iterator[tuple[str, str]]:
    """What the exported model costs."""
    yield "model", str(bundle / MODEL)
    yield "size", f"{bench.model_bytes / 1e6:.2f} MB"
    yield "latency", f"{bench.whole.p50_ms:.1f} ms for {bench.duration_s:g} s of sound"
    yield "peak memory", f"{bench.peak_rss_mb:.0f} MB"


if __name__ == "__main__":
    main(Path(sys.argv[1]))
