"""tools/setup.sh uses an environment that will do, and mends a torchaudio that does not load."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TORCHAUDIO = """
from pathlib import Path
if list(Path(__file__).parent.rglob("*.so")):
    raise OSError("libcudart.so.13: cannot open shared object file")
"""


def bash(script: str, cwd: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHON": sys.executable, **variables}
    return subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def environment(tmp_path: Path) -> Path:
    """A folder with a Python that finds a torchaudio of ours."""
    package = tmp_path / "site" / "torchaudio"
    (package / "lib").mkdir(parents=True)
    (package / "__init__.py").write_text(TORCHAUDIO, encoding="utf-8")
    python = tmp_path / "bin" / "python"
    python.parent.mkdir()
    python.write_text(f'#!/bin/sh\nPYTHONPATH="{package.parent}" exec "{sys.executable}" "$@"\n')
    python.chmod(0o755)
    return tmp_path


def test_environment_that_has_asclf_is_used_as_it_is(tmp_path: Path) -> None:
    script = f'source "{ROOT}/tools/setup.sh"; echo "$PYTHON"; asclf --version'
    done = bash(script, tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[0] == sys.executable
    assert done.stderr == ""


def test_code_that_runs_is_that_of_this_checkout(tmp_path: Path) -> None:
    script = f'source "{ROOT}/tools/setup.sh"; "$PYTHON" -c "import asclf; print(asclf.__file__)"'
    assert Path(bash(script, tmp_path).stdout.strip()).is_relative_to(ROOT)


def test_torchaudio_that_does_not_load_loses_its_libraries(environment: Path) -> None:
    library = environment / "site" / "torchaudio" / "lib" / "_torchaudio.so"
    library.write_bytes(b"linked to CUDA")
    mend = f'source "{ROOT}/tools/setup.sh"; venv="{environment}"; setup_mend_torchaudio'
    done = bash(mend, environment)
    assert done.returncode == 0, done.stderr
    assert not library.exists()
    assert done.stderr.startswith("setup: torchaudio does not load beside this torch: removing")
    assert len(done.stderr.splitlines()) == 1
    assert bash(mend, environment).stderr == ""


def test_machine_without_a_fitting_python_is_told_so(tmp_path: Path) -> None:
    script = f'source "{ROOT}/tools/setup.sh"; setup_new_enough() {{ false; }}; setup_interpreter'
    done = bash(script, tmp_path)
    assert done.returncode == 1
    assert "no Python 3.10 to 3.13 found; name one: PYTHON=" in done.stderr
