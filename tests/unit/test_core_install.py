"""The core alone, in an empty environment: no torch, and a bundle runs."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import venv
from pathlib import Path

import numpy as np
import pytest
import soundfile

from asclf.bundle.golden import sweep
from asclf.edge.runtime import BundleClassifier

ROOT = Path(__file__).parents[2]
NO_INDEX = ("No matching distribution found", "Could not find a version", "Connection")
PREDICT = """
import importlib.util, json, sys
import asclf
model = asclf.load(sys.argv[1])
model.check_golden()
scores = dict(model.predict(sys.argv[2]).scores)
absent = [name for name in ("torch", "torchaudio", "onnx") if not importlib.util.find_spec(name)]
print(json.dumps({"scores": scores, "absent": absent, "file": asclf.__file__}))
"""


def _run(*command: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        list(map(str, command)), capture_output=True, text=True, check=False, cwd=Path("/")
    )


def _copy_source(folder: Path) -> Path:
    """Copies what pip needs, since it builds where the source is."""
    shutil.copytree(ROOT / "asclf", folder / "asclf", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("setup.py", "pyproject.toml", "README.md"):
        shutil.copy(ROOT / name, folder)
    return folder


@pytest.fixture(scope="module")
def core_python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of a fresh environment that the core has been installed into."""
    folder = tmp_path_factory.mktemp("core")
    venv.create(folder, with_pip=True)
    python = folder / ("Scripts" if sys.platform == "win32" else "bin") / "python"
    source = _copy_source(tmp_path_factory.mktemp("source"))
    done = _run(python, "-m", "pip", "install", "--quiet", "--retries", "1", source)
    if done.returncode and any(reason in done.stderr for reason in NO_INDEX):
        pytest.skip(f"pip reaches no package index: {done.stderr.strip().splitlines()[-1]}")
    assert done.returncode == 0, done.stderr
    return python


@pytest.mark.slow
def test_the_core_alone_runs_a_bundle(core_python: Path, tiny_bundle: Path, tmp_path: Path) -> None:
    clip = tmp_path / "clip.flac"
    soundfile.write(clip, sweep(22_050, 22_050), 22_050)
    done = _run(core_python, "-c", PREDICT, tiny_bundle, clip)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["absent"] == ["torch", "torchaudio", "onnx"]
    assert Path(told["file"]).is_relative_to(core_python.parents[1])
    expected = BundleClassifier(tiny_bundle).predict(clip).scores
    np.testing.assert_allclose(list(told["scores"].values()), list(expected.values()), atol=1e-3)


@pytest.mark.slow
def test_the_command_line_of_the_core_names_the_missing_extra(
    core_python: Path, tiny_run: Path, tmp_path: Path
) -> None:
    clip = tmp_path / "clip.wav"
    soundfile.write(clip, sweep(16_000, 16_000), 16_000)
    command = core_python.with_name("asclf")
    done = _run(command, "predict", clip, "--model", tiny_run)
    assert done.returncode == 2
    assert "pip install 'asclf[train]'" in done.stderr
    assert "Traceback" not in done.stderr
