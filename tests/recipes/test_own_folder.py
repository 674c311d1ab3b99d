"""A folder of one's own recordings, with an installed wheel and far from the checkout."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import numpy as np
import pytest
import soundfile

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
RATE = 16_000


def run(*command: object, cwd: Path, path: Path | None = None) -> subprocess.CompletedProcess[str]:
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    environment["OMP_NUM_THREADS"] = "1"
    if path is not None:
        environment["PATH"] = f"{path}{os.pathsep}{environment['PATH']}"
    return subprocess.run(
        list(map(str, command)),
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
    )


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The programs of a fresh environment: the wheel, and beside it the packages that are here."""
    source, folder = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("fresh")
    shutil.copytree(ROOT / "asclf", source / "asclf", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("setup.py", "pyproject.toml", "README.md"):
        shutil.copy(ROOT / name, source)
    offline = ("--quiet", "--no-deps", "--no-index")
    pip = (sys.executable, "-m", "pip")
    built = run(*pip, "wheel", *offline, "--no-build-isolation", "-w", source, source, cwd=folder)
    if "Cannot import 'setuptools" in built.stderr:
        pytest.skip("setuptools is not installed, and a wheel cannot be built without")
    assert built.returncode == 0, built.stderr
    (wheel,) = source.glob("*.whl")
    venv.create(folder)
    programs = folder / ("Scripts" if sys.platform == "win32" else "bin")
    done = run(*pip, "--python", programs / "python", "install", *offline, wheel, cwd=folder)
    assert done.returncode == 0, done.stderr
    (packages,) = folder.glob("**/site-packages")
    (packages / "others.pth").write_text(sysconfig.get_path("purelib"), encoding="utf-8")
    return programs


@pytest.fixture
def recordings(tmp_path: Path) -> Path:
    """Two classes of four short recordings, in two formats and a folder of odd names."""
    folder = tmp_path / "my sounds"
    rng = np.random.default_rng(0)
    for i in range(4):
        low, high = (np.cumsum(rng.standard_normal(RATE)) / 400, 0.1 * rng.standard_normal(RATE))
        for name, samples in {f"grün/{i}.wav": low, f"it's/deep/{i}.flac": high}.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            soundfile.write(folder / name, np.clip(samples, -1, 1), RATE)
    return folder


def test_two_commands_lead_from_a_folder_to_a_prediction(
    installed: Path, recordings: Path, tmp_path: Path
) -> None:
    told = run(installed / "python", "-c", "import asclf; print(asclf.__file__)", cwd=tmp_path)
    assert Path(told.stdout.strip()).is_relative_to(installed.parent), told.stderr
    begun = run("asclf", "init", recordings, "--out", "first try", cwd=tmp_path, path=installed)
    assert begun.returncode == 0, begun.stderr
    short = ("train.epochs=1", "train.average_last=1", "data.num_workers=0")
    done = run("bash", "first try/run.sh", *short, cwd=tmp_path, path=installed)
    assert done.returncode == 0, done.stdout + done.stderr
    exp = tmp_path / "first try" / "exp" / "model"
    report = json.loads((exp / "report.json").read_text("utf-8"))
    assert report["clips"] == 8
    assert (exp / "bundle" / "model.onnx").is_file()
    assert (exp / "all" / "summary.json").is_file()
    last = done.stdout.splitlines()[-1]
    assert last.startswith(f"{recordings}/grün/0.wav: ")
    assert "grün" in last
    assert "it's" in last
