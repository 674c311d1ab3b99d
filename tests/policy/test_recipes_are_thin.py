"""A recipe holds what is true of its dataset; all else is shared."""

from __future__ import annotations

import difflib
import re
from itertools import combinations
from pathlib import Path

ROOT = Path(__file__).parents[2]
RECIPES = sorted((ROOT / "egs").glob("*/run.sh"))
MOST_LINES = 60
MOST_ALIKE = 0.8


def commands(text: str) -> list[str]:
    """The lines of a script without comments, blank lines and assignments."""
    lines = (line.strip() for line in text.splitlines())
    return [line for line in lines if line and not re.match(r"#|\w+=", line)]


def alike(one: str, other: str) -> float:
    """How much two scripts share, from 0 to 1, apart from what they assign."""
    return difflib.SequenceMatcher(None, commands(one), commands(other), autojunk=False).ratio()


def test_recipes_are_found() -> None:
    assert {path.parent.name for path in RECIPES} >= {
        "esc50",
        "speechcommands",
        "synth",
        "urbansound8k",
    }
    assert len(RECIPES) == len([path for path in (ROOT / "egs").iterdir() if path.is_dir()])


def test_no_run_script_is_long() -> None:
    for path in RECIPES:
        assert len(path.read_text(encoding="utf-8").splitlines()) <= MOST_LINES, path


def test_no_two_run_scripts_are_copies() -> None:
    for one, other in combinations(RECIPES, 2):
        share = alike(one.read_text(encoding="utf-8"), other.read_text(encoding="utf-8"))
        assert share <= MOST_ALIKE, f"{one} and {other} are {share:.0%} alike: share the stages"


def test_copy_with_other_values_is_recognised() -> None:
    script = (ROOT / "egs/esc50/run.sh").read_text(encoding="utf-8")
    copy = script.replace("folds_known=5", "folds_known=10").replace("# ", "# Other: ")
    assert alike(script, copy) == 1.0


def test_every_recipe_says_where_its_data_come_from() -> None:
    for path in RECIPES:
        folder = path.parent
        assert (folder / "local" / "prepare.py").is_file(), folder
        assert (folder / "README.md").is_file(), folder
