"""One model under several protocols: how much of a figure is the protocol's, side by side."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import get_args

from asclf.score.markdown import section, table
from asclf.score.protocol import ProtocolName
from asclf.score.result import Result, percent, span_of

HEADER = ("protocol", "accuracy", "correct", "95 % interval", "")
TITLE = "Protocols side by side"
PREFACE = (
    "The same model under each protocol, by `asclf protocols`. The first two are honest; the\n"
    "others are how many published figures were made, and no score of this project.\n"
)
ORDER = get_args(ProtocolName)


def row(result: Result) -> tuple[str, ...]:
    """A result under the words of `HEADER`."""
    return (
        result.protocol,
        percent(result.accuracy),
        f"{result.correct} of {result.clips}",
        span_of(result.interval_95),
        result.warning,
    )


def side_by_side(numbered: Sequence[tuple[int, Result]]) -> str:
    """The section of RESULTS.md with every comparison; nothing where there is none.

    Args:
        numbered: All results with the numbers of their tries, the newest first; where a comparison
            was made again, the newest of each protocol stands.
    """
    found: dict[tuple[str, str, str], dict[ProtocolName, tuple[int, Result]]] = defaultdict(dict)
    for number, result in numbered:
        if result.comparison:
            key = (result.comparison, result.dataset, result.model)
            found[key].setdefault(result.protocol, (number, result))
    parts = [_comparison(key, tries) for key, tries in sorted(found.items())]
    return section(TITLE, "\n".join([PREFACE, *parts]).rstrip("\n")) if parts else ""


def _comparison(key: tuple[str, str, str], tries: dict[ProtocolName, tuple[int, Result]]) -> str:
    name, dataset, model = key
    ordered = sorted(tries.values(), key=lambda each: ORDER.index(each[1].protocol))
    rows = [
        (*row(result), result.scope, f"[{number}](#try-{number})") for number, result in ordered
    ]
    text = table((*HEADER, "folds", "try"), rows)
    return section(f"{name}: {model} on {dataset}", text, level=3)
