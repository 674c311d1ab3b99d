"""What other people's code may rely on is named here; changing it is a decision."""

from __future__ import annotations

import importlib
import subprocess
import sys

import pytest

import asclf

SURFACE = {
    "asclf": {"AsclfError", "__version__", "load"},
    "asclf.config": {"ExperimentConfig", "component_config", "load_experiment"},
    "asclf.testing": {"Check", "checks", "checks_of"},
}


@pytest.mark.parametrize("module", SURFACE)
def test_names_of_a_package_are_those_that_are_promised(module: str) -> None:
    imported = importlib.import_module(module)
    assert set(imported.__all__) == SURFACE[module]
    assert all(getattr(imported, name) is not None for name in SURFACE[module])


def test_name_that_is_not_there_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'laod'"):
        asclf.laod  # noqa: B018


def test_importing_asclf_and_its_error_loads_no_torch() -> None:
    code = "import sys, asclf; asclf.AsclfError; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
