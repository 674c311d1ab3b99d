"""RESULTS.md of every recipe is what the stored results say, and nothing is typed by hand."""

from __future__ import annotations

from pathlib import Path

from asclf.score.ledger import PAGE, RESULTS, read_results, results_page

ROOT = Path(__file__).parents[2]


def recipes_with_results() -> list[Path]:
    """Recipes with either half: stored results, or a page that claims to be made from some."""
    return sorted(
        folder
        for folder in (ROOT / "egs").glob("*/")
        if (folder / RESULTS).is_dir() or (folder / PAGE).is_file()
    )


def test_every_results_page_is_generated_from_its_stored_results() -> None:
    for recipe in recipes_with_results():
        results = read_results(recipe)
        assert results, f"{recipe}: a page without a stored result"
        page = (recipe / PAGE).read_text(encoding="utf-8")
        assert page == results_page(results), f"{recipe}: write it anew with asclf score --results"
