"""The package of docs/add_a_backbone.md, built from that page, works without a change to asclf."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from asclf.audio.io import encode_flac
from asclf.data.manifest import Clip, write_manifest
from asclf.data.shards import write_shards

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "add_a_backbone.md"
BROKEN = """
[build-system]
requires = ["setuptools"]
build-backend = "setuptools.build_meta"

[project]
name = "torn-net"
version = "1.0"

[project.entry-points."asclf.backbones"]
torn_net = "torn_net"

[tool.setuptools]
py-modules = ["torn_net"]
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of installed packages: the page's, and one that cannot be imported."""
    folder = tmp_path_factory.mktemp("site")
    install(write_page_files(tmp_path_factory.mktemp("frame_net")), folder)
    torn = tmp_path_factory.mktemp("torn_net")
    (torn / "pyproject.toml").write_text(BROKEN, encoding="utf-8")
    (torn / "torn_net.py").write_text("import no_such_package_at_all\n", encoding="utf-8")
    install(torn, folder)
    return folder


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as its author has it: the page's files, and shards of a few clips of noise."""
    folder = write_page_files(tmp_path_factory.mktemp("project"))
    clips = [write_clip(folder, number) for number in range(8)]
    write_manifest(folder / "manifest.jsonl", clips)
    write_shards(folder / "manifest.jsonl", folder / "shards" / "mine", sample_rate=16_000)
    return folder


def write_page_files(folder: Path) -> Path:
    """Writes the blocks of the page that begin with a file's name."""
    text = PAGE.read_text(encoding="utf-8")
    blocks = re.findall(r"```\w+\n# (\S+\.\w+)\n(.*?)```", text, re.DOTALL)
    assert {name for name, _ in blocks} == {
        "frame_net/__init__.py",
        "pyproject.toml",
        "test_frame_net.py",
        "frame_net.yaml",
    }
    for name, content in blocks:
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(content, encoding="utf-8")
    return folder


def install(package: Path, site: Path) -> None:
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index"]
    subprocess.run(
        [*pip, "--no-build-isolation", "--upgrade", "--target", site, package], check=True
    )


def write_clip(folder: Path, number: int) -> Clip:
    random = np.random.default_rng(number)
    waveform = random.uniform(-0.5, 0.5, 16_000).astype(np.float32)
    path = folder / f"{number}.flac"
    path.write_bytes(encode_flac(waveform, 16_000))
    return Clip(path.stem, path, (("hiss", "hum")[number % 2],), fold=1 + number // 4)


def run(arguments: list[str], site: Path, folder: Path) -> subprocess.CompletedProcess[str]:
    """Runs Python as it runs where the packages of `site` are installed, but not imported here."""
    paths = [str(site), str(ROOT)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def asclf(words: str, site: Path, folder: Path) -> subprocess.CompletedProcess[str]:
    return run(["-m", "asclf.cli.main", *words.split()], site, folder)


def test_plugin_is_listed_beside_the_built_in_ones(site: Path, project: Path) -> None:
    done = asclf("list backbones --json", site, project)
    assert done.returncode == 0, done.stderr
    names = {row["name"] for row in json.loads(done.stdout)["backbones"]}
    assert {"frame_net", "frame_net_wide", "spectromasknet"} <= names


def test_plugin_passes_the_contract_suite_by_the_test_of_the_page(
    site: Path, project: Path
) -> None:
    done = run(["-m", "pytest", "-q", "test_frame_net.py"], site, project)
    assert done.returncode == 0, done.stdout


def test_plugin_trains_scores_and_exports_from_a_yaml(site: Path, project: Path) -> None:
    for words in (
        "train --config frame_net.yaml --exp exp/frame_net"
        " data.shards=shards/mine data.test_fold=1 data.num_workers=0",
        "score exp/frame_net",
        "export exp/frame_net --onnx",
    ):
        done = asclf(words, site, project)
        assert done.returncode == 0, done.stderr
    manifest = json.loads((project / "exp/frame_net/bundle/bundle.json").read_text("utf-8"))
    assert manifest["network"]["backbone"] == "frame_net"
    assert (project / "exp/frame_net/report.json").is_file()


def test_misspelt_option_of_a_plugin_is_placed(site: Path, project: Path) -> None:
    done = asclf("config show frame_net.yaml backbone.embed_dims=3", site, project)
    assert done.returncode == 2
    assert "unknown key 'embed_dims'; did you mean 'embed_dim'?" in done.stderr


def test_broken_plugin_is_an_error_for_its_own_users_alone(site: Path, project: Path) -> None:
    done = asclf("config show frame_net.yaml backbone.type=torn_net", site, project)
    assert done.returncode == 2
    assert "No module named 'no_such_package_at_all'" in done.stderr
    assert "Traceback" not in done.stderr
    done = asclf("config show frame_net.yaml", site, project)
    assert done.returncode == 0, done.stderr
