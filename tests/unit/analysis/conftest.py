from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from asclf.analysis.study import Study


@pytest.fixture
def make_study(tmp_path: Path) -> Callable[..., Study]:
    """A study of an experiment, by default of one without anything in it."""

    def make(exp: Path | None = None, **options: object) -> Study:
        empty = tmp_path / "empty"
        empty.mkdir(exist_ok=True)
        return Study(exp or empty, tmp_path / "out", **options)  # type: ignore[arg-type]

    return make


@pytest.fixture
def read_csv() -> Callable[[Path], list[dict[str, str]]]:
    """Reads a CSV file with a header."""
    import csv

    def read(path: Path) -> list[dict[str, str]]:
        with path.open(encoding="utf-8", newline="") as file:
            return list(csv.DictReader(file))

    return read
