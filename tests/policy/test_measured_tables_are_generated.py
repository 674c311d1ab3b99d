"""The measured tables of the documents are what the benchmarks' files say."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def tables() -> ModuleType:
    path = ROOT / "tools" / "measured_tables.py"
    spec = importlib.util.spec_from_file_location("measured_tables", path)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_document_says_what_its_files_say(tables: ModuleType) -> None:
    for path in tables.documents():
        text = path.read_text(encoding="utf-8")
        assert text == tables.filled(text), f"run tools/measured_tables.py: {path.name} is stale"


def test_every_measured_file_is_shown_somewhere(tables: ModuleType) -> None:
    texts = "".join(path.read_text(encoding="utf-8") for path in tables.documents())
    files = sorted(tables.MEASURED.glob("*.json"))
    assert len(files) >= 3
    assert all(f"<!-- measured: {path.name} -->" in texts for path in files)


def test_a_typed_figure_would_be_noticed(tables: ModuleType) -> None:
    path = ROOT / "docs" / "spectromasknet.md"
    text = path.read_text(encoding="utf-8")
    row = next(line for line in text.splitlines() if line.startswith("| spectromasknet_small |"))
    assert tables.filled(text.replace(row, row + "9")) == text
