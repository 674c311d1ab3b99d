"""The pages of results are what the stored results say, and nothing is typed by hand."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

from asclf.score import experiments
from asclf.score.kept_sweeps import read_sweeps
from asclf.score.ledger import PAGE, RESULTS, read_results, recipes_with_results

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def tool() -> ModuleType:
    path = ROOT / "tools" / "results_table.py"
    spec = importlib.util.spec_from_file_location("results_table", path)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_page_says_what_the_stored_results_say(tool: ModuleType) -> None:
    for path, text in tool.pages().items():
        assert path.read_text(encoding="utf-8") == text, f"run tools/results_table.py: {path}"


def test_every_recipe_with_a_page_has_results_and_says_what_they_are_of() -> None:
    for recipe in recipes_with_results(ROOT / "egs"):
        assert (recipe / RESULTS).is_dir(), recipe
        assert (recipe / PAGE).is_file(), recipe
        assert (recipe / experiments.PAGE).is_file(), recipe
        for result in read_results(recipe):
            assert result.dataset, f"{recipe}: {result.name}"
            assert result.model, f"{recipe}: {result.name}"


def test_every_score_that_is_kept_is_listed_by_its_configuration(tool: ModuleType) -> None:
    pages = tool.pages()
    recipes = recipes_with_results(ROOT / "egs")
    assert recipes
    for recipe in recipes:
        text = pages[recipe / experiments.PAGE]
        results, sweeps = read_results(recipe), read_sweeps(recipe)
        for number, result in enumerate(reversed(results), 1):
            (line,) = [line for line in text.splitlines() if f"(RESULTS.md#try-{number})" in line]
            assert line.startswith(f"| {result.setting[:12]} |")
        for sweep in sweeps:
            for row in sweep.rows:
                assert f"{sweep.name}: {row.name}" in text


def test_a_typed_figure_would_be_noticed(tool: ModuleType) -> None:
    empty = "before\n\n<!-- results -->\n<!-- end -->\n\nafter\n"
    text = tool.filled(empty)
    row = next(line for line in text.splitlines() if line.startswith("| esc10 |"))
    assert tool.filled(text.replace(row, row + "9")) == text
    assert text.startswith("before\n\n<!-- results -->\n| dataset |")
    assert text.endswith("<!-- end -->\n\nafter\n")
