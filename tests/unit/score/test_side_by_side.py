"""Comparisons of protocols in RESULTS.md: which tries stand in them, and what is said of each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import get_args

import pytest

from asclf.score.ledger import results_page
from asclf.score.protocol import HONEST, ProtocolName
from asclf.score.report import Report
from asclf.score.side_by_side import TITLE, side_by_side


@pytest.fixture
def one(make_report: Callable[..., Report]) -> Report:
    return replace(make_report(), dataset="esc10", model="tdnn", comparison="four")


def cells(text: str) -> list[list[str]]:
    lines = [line for line in text.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def test_every_protocol_has_its_row_and_the_dishonest_ones_their_warning(one: Report) -> None:
    names: tuple[ProtocolName, ...] = get_args(ProtocolName)
    numbered = [(i, replace(one, protocol=name)) for i, name in enumerate(reversed(names))]
    rows = cells(side_by_side(numbered))
    assert [row[0] for row in rows] == list(names)
    assert {row[0] for row in rows if "too high" not in row[4]} == set(HONEST)
    assert rows[0][1:4] == ["87.50 %", "7 of 8", "52.9 to 97.8 %"]
    assert rows[0][6] == "[5](#try-5)"


def test_of_a_comparison_made_again_the_newest_figures_stand(one: Report) -> None:
    newest = replace(one, correct=8, accuracy=1.0)
    (row,) = cells(side_by_side([(2, newest), (1, one)]))
    assert row[2] == "8 of 8"


def test_comparisons_of_other_names_models_and_datasets_stand_apart(one: Report) -> None:
    others = [
        one,
        replace(one, comparison="again"),
        replace(one, model="res2net"),
        replace(one, dataset="esc50"),
    ]
    text = side_by_side(list(enumerate(others)))
    titles = [line for line in text.splitlines() if line.startswith("### ")]
    assert titles == [
        "### again: tdnn on esc10",
        "### four: res2net on esc10",
        "### four: tdnn on esc10",
        "### four: tdnn on esc50",
    ]


def test_results_of_no_comparison_make_no_section(one: Report) -> None:
    alone = replace(one, comparison="")
    assert side_by_side([(1, alone)]) == ""
    assert TITLE not in results_page([alone])
    assert results_page([one]).index(f"## {TITLE}") < results_page([one]).index("## Try 1")
