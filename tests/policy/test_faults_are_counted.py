"""The table of faults is of the tests that there are."""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
MARK = "pytest.mark.fault"


def fault_tests() -> Iterator[tuple[str, str]]:
    """File and name of every test with the marker."""
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef) and MARK in map(ast.unparse, node.decorator_list):
                yield path.relative_to(ROOT).as_posix(), node.name


def test_every_fault_is_in_the_table_and_none_failed() -> None:
    table = json.loads((ROOT / "docs" / "measured" / "faults.json").read_text(encoding="utf-8"))
    named = {(row["test"], row["fault"]) for row in table["rows"]}
    found = {(file, name.removeprefix("test_").replace("_", " ")) for file, name in fault_tests()}
    assert len(found) >= 20
    assert named == found, "run tools/bench/faults.py"
    assert not [row for row in table["rows"] if row["failed"]]


def test_no_test_has_the_marker_where_it_would_not_be_counted() -> None:
    texts = [path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("test_*.py")]
    marks = sum(text.count(f"@{MARK}\n") for text in texts)
    assert marks == len(list(fault_tests()))
    assert not [text for text in texts if f"pytestmark = {MARK}" in text]
