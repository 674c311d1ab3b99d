"""One row for each dataset and model, of all that was ever scored: the README's table."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from asclf.score.markdown import table
from asclf.score.protocol import HONEST
from asclf.score.result import Result, percent, span_of

COLUMNS = (
    "dataset",
    "model",
    "parameters",
    "started from",
    "correct",
    "score",
    "95 % interval",
    "scored",
    "tries",
    "minutes",
)
NOTE = (
    "Of several tries the one over most clips stands here, then the longest, then the official\n"
    "before the nested protocol, then the latest, and never the best; `tries` links to all, and\n"
    "has the lowest and the highest over as many clips and epochs. Intervals allow for clips of\n"
    "one recording where recordings are known. `minutes` are of training, all folds together.\n"
)


@dataclass(frozen=True)
class Standing:
    """The try that stands for a dataset and a model, and those that it is one of."""

    result: Result
    tries: Sequence[Result]
    """All under an honest protocol, on clips as they are, this one among them."""

    @property
    def range(self) -> str:
        """How many tries there are; and from where to where their scores go, where it is known."""
        shares = sorted(r.share for r in self.tries if _extent(r) == _extent(self.result))
        if len(shares) == 1:
            return str(len(self.tries))
        return f"{len(self.tries)}: {percent(shares[0])} to {percent(shares[-1])}"


def standings(results: Iterable[Result]) -> list[Standing]:
    """The try over most clips of each dataset, model and start; then the longest, then the latest.

    Which of them did best plays no part: that would be a choice made on the test clips. A nested
    one has trained on fewer clips, and stands where there is no official one.
    """
    tries = defaultdict(list)
    for result in results:
        if result.protocol in HONEST and result.views == 1:
            start = result.init or "", result.init_sha256 or ""
            tries[(result.dataset, result.model, start)].append(result)
    return [Standing(max(tries[key], key=precedence), tries[key]) for key in sorted(tries)]


def summary_table(recipes: Mapping[str, Sequence[Result]]) -> str:
    """The table as Markdown, for a page beside which each recipe's folder lies at its name."""
    rows = [
        _row(standing, f"{recipe}/RESULTS.md")
        for recipe, results in recipes.items()
        for standing in standings(results)
    ]
    return f"{table(COLUMNS, rows)}\n\n{NOTE}"


def _extent(result: Result) -> tuple[int, int]:
    """How much was scored, and how long each run was."""
    return result.clips, min(fold.epochs for fold in result.folds)


def precedence(result: Result) -> tuple[tuple[int, int], bool, str, str]:
    """What is greatest in the try that stands for several; its score plays no part."""
    return _extent(result), result.protocol == "official", result.date, result.time


def _row(standing: Standing, page: str) -> Sequence[object]:
    result = standing.result
    return (
        result.dataset,
        result.model,
        f"{result.parameters:,}" if result.parameters else "",
        result.start,
        result.counted,
        result.headline,
        span_of(result.interval),
        result.scope if result.protocol == "official" else f"{result.scope}, {result.protocol}",
        f"[{standing.range}]({page})",
        f"{result.minutes:.1f}",
    )
