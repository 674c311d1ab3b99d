"""What all tests share: the folder of real recordings."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder with ESC-50, UrbanSound8K and Speech Commands, named by `ASCLF_DATA`."""
    folder = os.environ.get("ASCLF_DATA")
    if not folder:
        pytest.skip("ASCLF_DATA is not set: no real recordings to test on")
    return Path(folder)
