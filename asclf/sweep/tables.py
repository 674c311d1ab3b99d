"""The sweeps of a recipe: their files, and the results that are kept of them."""

from __future__ import annotations

import json
from pathlib import Path

from asclf.errors import DataError
from asclf.files import write_whole
from asclf.score.kept_sweeps import KEPT, SweepResult
from asclf.score.ledger import check_recipe, write_pages
from asclf.sweep.result import summarise
from asclf.sweep.spec import load_sweep

SWEEPS = Path("conf/sweeps")


def keep(result: SweepResult, recipe: Path) -> Path:
    """Keeps a sweep's figures in a recipe's folder, writes its pages anew, and gives the file.

    Raises:
        DataError: There is no such folder.
    """
    check_recipe(recipe)
    path = recipe / KEPT / f"{result.name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(result.as_dict(), indent=2, ensure_ascii=False, allow_nan=False)
    write_whole(path, text + "\n")
    write_pages(recipe)
    return path


def results_of_table(recipe: Path, number: str) -> list[SweepResult]:
    """What is kept of the sweeps of one table; one that was not run has no rows.

    Args:
        recipe: The recipe's folder.
        number: As in the files' names: `table<number>.yaml` or `table<number>_<column>.yaml`.

    Raises:
        DataError: There is no such sweep; says which there are.
    """
    files = [path for path in _sweeps(recipe) if _number(path) == number]
    if not files:
        known = sorted({_number(path) for path in _sweeps(recipe)})
        raise DataError(
            f"there is no table {number}",
            where=recipe / SWEEPS,
            expected=f"one of {', '.join(known)}" if known else f"table{number}.yaml",
        )
    return [_result(path, recipe) for path in files]


def _sweeps(recipe: Path) -> list[Path]:
    return sorted((recipe / SWEEPS).glob("table*.yaml"))


def _number(path: Path) -> str:
    return path.stem.removeprefix("table").partition("_")[0]


def _result(path: Path, recipe: Path) -> SweepResult:
    kept = recipe / KEPT / f"{path.stem}.json"
    return SweepResult.read(kept) if kept.is_file() else summarise(load_sweep(path), {})
