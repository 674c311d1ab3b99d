"""Tables of results: of one experiment on the terminal, of all in the documents.

    python tools/results_table.py egs/synth/exp/synth    # prints its score, size and latency
    python tools/results_table.py                        # writes every page of results

Those are RESULTS.md and EXPERIMENTS.md of every recipe with results, and the README. The README has
its table between two comments, and what stands between them is replaced:

    <!-- results -->
    <!-- end -->

All come from what `--results` of `asclf score`, `asclf protocols` and `asclf sweep` keeps in
egs/*/results/. Nobody types a figure, and a test fails where a page says something else.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

from rich.console import Console
from rich.table import Table

from asclf.bundle.folder import MODEL
from asclf.edge.bench import BenchResult
from asclf.score.ledger import pages_of, read_results, recipes_with_results
from asclf.score.report import Report
from asclf.score.result import Result, percent, span_of
from asclf.score.summary import summary_table

ROOT = Path(__file__).parents[1]
BLOCK = re.compile(r"(<!-- results -->\n).*?(<!-- end -->)", re.DOTALL)


def main(arguments: list[str]) -> None:
    """Prints the table of an experiment, or writes the pages that are not as they should be."""
    if arguments:
        print_table(Path(arguments[0]))
        return
    for path, text in pages().items():
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
            print(f"written: {path.relative_to(ROOT)}")


def pages() -> dict[Path, str]:
    """Every page with results, and what it should say."""
    readme = ROOT / "README.md"
    recipes = recipes_with_results(ROOT / "egs")
    texts = {path: text for recipe in recipes for path, text in pages_of(recipe).items()}
    return {**texts, readme: filled(readme.read_text(encoding="utf-8"))}


def filled(text: str) -> str:
    """The text with the table of all results between its comments."""
    recipes = {
        recipe.relative_to(ROOT).as_posix(): read_results(recipe)
        for recipe in recipes_with_results(ROOT / "egs")
    }
    return BLOCK.sub(lambda found: found[1] + summary_table(recipes) + found[2], text)


def print_table(exp: Path) -> None:
    """Prints the table of an experiment that is scored, exported and benchmarked."""
    report = Report.read(exp / "report.json")
    bench = BenchResult.from_json((exp / "bench.json").read_text(encoding="utf-8"))
    table = Table("result", report.name, title="Results", title_justify="left")
    for name, value in (*score_rows(report), *model_rows(exp / "bundle", bench)):
        table.add_row(name, value, end_section=name == "training")
    Console().print(table)


def score_rows(result: Result) -> Iterator[tuple[str, str]]:
    """How well it classifies."""
    name = "mean average precision" if result.multi_label else "accuracy"
    yield name, f"{percent(result.share)} ({result.counted} right)"
    yield "95 % interval", span_of(result.interval)
    yield "mean over folds", result.spread
    yield "scored", result.scope
    if result.warning:
        yield "warning", result.warning
    yield "training", f"{result.minutes:.1f} minutes"


def model_rows(bundle: Path, bench: BenchResult) -> Iterator[tuple[str, str]]:
    """What the exported model costs."""
    yield "model", str(bundle / MODEL)
    yield "size", f"{bench.model_bytes / 1e6:.2f} MB"
    yield "latency", f"{bench.whole.p50_ms:.1f} ms for {bench.duration_s:g} s of sound"
    yield "peak memory", f"{bench.peak_rss_mb:.0f} MB"


if __name__ == "__main__":
    main(sys.argv[1:])
