"""Recipes' own scripts as modules."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def load_prepare() -> Callable[[str], ModuleType]:
    """Loads `local/prepare.py` of a recipe."""

    def load(recipe: str) -> ModuleType:
        path = ROOT / "egs" / recipe / "local" / "prepare.py"
        spec = importlib.util.spec_from_file_location(f"{recipe}_prepare", path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[spec.name] = module
        spec.loader.exec_module(module)
        return module

    return load
