"""The ledger of a recipe: every try that was scored, kept as JSON, and RESULTS.md made from them.

Nothing in RESULTS.md is typed by hand. A try is known by the hash of its weights: training again
adds an entry, and scoring the same weights again leaves it as it is, with the command that made
them, unless the score has changed.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import fields, replace
from pathlib import Path

from asclf.errors import DataError
from asclf.files import write_whole
from asclf.score.markdown import code, section, table
from asclf.score.result import Result, percent

RESULTS = "results"
PAGE = "RESULTS.md"
COLUMNS = (
    "try",
    "date",
    "name",
    "correct",
    "accuracy",
    "95 % interval",
    "folds",
    "mean ± std",
    "seed",
    "minutes",
    "machine",
    "commit",
)
OF_SCORING = ("date", "command", "commit", "machine", "versions")
PREFACE = (
    "Every try that was scored, the newest first; written by `asclf score EXP --results`, not by\n"
    "hand. `correct` counts clips of all scored folds, each classified by the model that never\n"
    "heard its fold; the interval is Wilson's; `minutes` are of training, all folds together.\n"
)


def record(result: Result, recipe: Path) -> Path:
    """Keeps a result in a recipe's folder and writes its RESULTS.md anew.

    Args:
        result: A result or a report, of which only the result is kept.
        recipe: The recipe's folder.

    Returns:
        The stored file.

    Raises:
        DataError: There is no such folder, or a stored result is broken.
    """
    if not recipe.is_dir():
        raise DataError("there is no such folder", where=recipe, expected="the recipe's folder")
    kept = Result(**{field.name: getattr(result, field.name) for field in fields(Result)})
    text = json.dumps(kept.as_dict(), indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    path = recipe / RESULTS / f"{kept.date}-{kept.name}-{kept.weights_sha256[:8]}.json"
    older = sorted(path.parent.glob(f"*-{kept.weights_sha256[:8]}.json"))
    if older and _is_same_score(kept, Result.read(older[0])):
        path = older[0]
    else:
        write_whole(path, text)
        for stale in set(older) - {path}:
            stale.unlink()
    write_whole(recipe / PAGE, results_page(read_results(recipe)))
    return path


def _is_same_score(new: Result, old: Result) -> bool:
    """Whether two results differ at most in when, where and by which command they were scored."""
    return replace(new, **{name: getattr(old, name) for name in OF_SCORING}) == old


def read_results(recipe: Path) -> list[Result]:
    """All stored results of a recipe, the newest first.

    Raises:
        DataError: One of them is broken.
    """
    paths = sorted((recipe / RESULTS).glob("*.json"), reverse=True)
    return [Result.read(path) for path in paths]


def results_page(results: Sequence[Result]) -> str:
    """The text of RESULTS.md."""
    numbered = list(zip(range(len(results), 0, -1), results, strict=True))
    rows = [_row(number, result) for number, result in numbered]
    tries = [_try(number, result) for number, result in numbered]
    return "\n".join([f"# Results\n\n{PREFACE}\n{table(COLUMNS, rows)}\n", *tries])


def _row(number: int, result: Result) -> Sequence[object]:
    low, high = result.interval_95
    return (
        f"[{number}](#try-{number})",
        result.date,
        result.name,
        f"{result.correct} of {result.clips}",
        percent(result.accuracy),
        f"{100 * low:.1f} to {100 * high:.1f} %",
        result.scope,
        result.spread,
        result.seed,
        f"{result.minutes:.1f}",
        result.machine,
        result.commit or "no checkout",
    )


def _try(number: int, result: Result) -> str:
    packages = ", ".join(f"{name} {version}" for name, version in result.versions.items())
    facts = (
        f"Weights: {result.weights}. Configuration {result.config_sha256[:12]}. "
        f"Macro F1: {result.macro_f1:.3f}. With {packages}."
    )
    if result.missing:
        facts = f"Missing: {result.missing}. {facts}"
    return section(f"Try {number}", f"{code(result.command)}\n\n{facts}")
