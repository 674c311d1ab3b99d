"""The ledger of a recipe: every try that was scored, kept as JSON, and the pages made from them.

RESULTS.md lists them by time, EXPERIMENTS.md by configuration. Nothing in them is typed by hand. A
try is known by the hash of its weights: training again adds an entry, and scoring the same weights
again leaves it as it is, with the command that made them, unless the score has changed.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import fields, replace
from pathlib import Path

from asclf.errors import DataError
from asclf.files import write_whole
from asclf.score import experiments
from asclf.score.kept_sweeps import read_sweeps
from asclf.score.markdown import code, section, table
from asclf.score.result import Result, percent, span_of
from asclf.score.side_by_side import side_by_side

RESULTS = "results"
PAGE = "RESULTS.md"
COLUMNS = (
    "try",
    "date",
    "name",
    "model",
    "correct",
    "score",
    "95 % interval",
    "by source",
    "folds",
    "mean ± std",
    "protocol",
    "seed",
    "minutes",
    "machine",
    "commit",
)
LATER_FACTS = ("init_sha256", "setting_sha256")
OF_SCORING = ("date", "time", "command", "commit", "machine", "versions")
PREFACE = (
    "Every try that was scored, the newest first; written by `asclf score EXP --results`, not by\n"
    "hand. `correct` counts clips of all scored folds; the first interval is Wilson's, and the\n"
    "one by source allows for clips of one recording; `minutes` are of training, all folds.\n"
)


def record(result: Result, recipe: Path) -> Path:
    """Keeps a result in a recipe's folder and writes its pages anew.

    Args:
        result: A result or a report, of which only the result is kept.
        recipe: The recipe's folder.

    Returns:
        The stored file.

    Raises:
        DataError: There is no such folder, or a stored result is broken.
    """
    check_recipe(recipe)
    kept = Result(**{field.name: getattr(result, field.name) for field in fields(Result)})
    path = recipe / RESULTS / f"{kept.date}-{kept.name}-{_key(kept)}.json"
    older = sorted(path.parent.glob(f"*-{_key(kept)}.json"))
    if older and _is_same_score(kept, before := Result.read(older[0])):
        path, kept = older[0], _as_scored_in(before, kept)
    text = json.dumps(kept.as_dict(), indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    write_whole(path, text)
    for stale in set(older) - {path}:
        stale.unlink()
    write_pages(recipe)
    return path


def write_pages(recipe: Path) -> None:
    """Writes RESULTS.md and EXPERIMENTS.md from what is kept.

    Raises:
        DataError: Something of it is broken.
    """
    for path, text in pages_of(recipe).items():
        write_whole(path, text)


def pages_of(recipe: Path) -> dict[Path, str]:
    """The pages of a recipe's results, and what they should say.

    Raises:
        DataError: What is kept is broken.
    """
    results = read_results(recipe)
    return {
        recipe / PAGE: results_page(results),
        recipe / experiments.PAGE: experiments.experiments_page(
            numbered(results), read_sweeps(recipe)
        ),
    }


def check_recipe(recipe: Path) -> None:
    """Makes sure that results can be kept in a folder; before the hours that they take.

    Raises:
        DataError: There is no such folder.
    """
    if not recipe.is_dir():
        raise DataError("there is no such folder", where=recipe, expected="the recipe's folder")


def _key(result: Result) -> str:
    """What a try is known by: its weights, and whether clips were scored in several views."""
    views = f"-{result.views}views" if result.views > 1 else ""
    return f"{result.weights_sha256[:8]}{views}"


def _is_same_score(new: Result, old: Result) -> bool:
    """Whether two results differ at most in when, where and by which command they were scored.

    What older versions did not keep makes no difference either.
    """
    unknown = {name: getattr(old, name) for name in LATER_FACTS if not getattr(old, name)}
    return replace(_as_scored_in(old, new), **unknown) == old


def _as_scored_in(old: Result, new: Result) -> Result:
    """A score with the command that made it first, and all that is known of it today."""
    return replace(new, **{name: getattr(old, name) for name in OF_SCORING})


def read_results(recipe: Path) -> list[Result]:
    """All stored results of a recipe, the newest first.

    Raises:
        DataError: One of them is broken.
    """
    paths = sorted((recipe / RESULTS).glob("*.json"), reverse=True)
    results = [Result.read(path) for path in paths]
    return sorted(results, key=lambda result: (result.date, result.time), reverse=True)


def recipes_with_results(folder: Path) -> list[Path]:
    """The recipes in a folder that have stored results, or a page that claims to be made from some.

    Args:
        folder: The folder `egs`.
    """
    recipes = (path for path in folder.glob("*/") if path.is_dir())
    return sorted(
        each
        for each in recipes
        if any((each / name).exists() for name in (RESULTS, PAGE, experiments.PAGE))
    )


def numbered(results: Sequence[Result]) -> list[tuple[int, Result]]:
    """Results, the newest first, with the numbers of their tries: the oldest is 1."""
    return list(zip(range(len(results), 0, -1), results, strict=True))


def results_page(results: Sequence[Result]) -> str:
    """The text of RESULTS.md."""
    found = numbered(results)
    rows = [_row(number, result) for number, result in found]
    tries = [_try(number, result) for number, result in found]
    page = [f"# Results\n\n{PREFACE}\n{table(COLUMNS, rows)}\n", side_by_side(found), *tries]
    return "\n".join(filter(None, page))


def _row(number: int, result: Result) -> Sequence[object]:
    by_source = result.interval if result.multi_label else result.interval_by_source_95
    return (
        f"[{number}](#try-{number})",
        result.date,
        result.name,
        result.model,
        result.counted.removesuffix(" clips"),
        result.headline,
        "" if result.multi_label else span_of(result.interval_95),
        span_of(by_source) if by_source else "",
        result.scope,
        result.spread,
        f"{result.protocol}, {result.warning}" if result.warning else result.protocol,
        result.seed,
        f"{result.minutes:.1f}",
        result.machine,
        result.commit or "no checkout",
    )


def _try(number: int, result: Result) -> str:
    warning = f"**Warning: {result.warning}.**\n\n" if result.warning else ""
    text = f"{warning}{code(result.command)}\n\n{' '.join(_facts(result))}"
    return section(f"Try {number}", text)


def _facts(result: Result) -> Iterator[str]:
    if result.missing:
        yield f"Missing: {result.missing}."
    yield f"Weights: {result.weights}."
    if result.init:
        yield f"Started from {result.start}."
    if result.views > 1:
        yield f"Of each clip {result.views} views were averaged."
    yield f"Configuration {result.config_sha256[:12]}."
    yield f"Macro F1: {result.macro_f1:.3f}."
    if result.top_5 is not None:
        yield f"Class among the best five: {percent(result.top_5)}."
    if result.ece is not None:
        yield f"Calibration error: {result.ece:.3f}."
    packages = ", ".join(f"{name} {version}" for name, version in result.versions.items())
    yield f"With {packages}."
