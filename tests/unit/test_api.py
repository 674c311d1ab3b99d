from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import asclf
from asclf.edge.runtime import BundleClassifier
from asclf.errors import BundleError, CheckpointError
from asclf.score.classifier import CheckpointClassifier


def test_a_bundle_and_its_checkpoint_predict_the_same(tiny_run: Path, tiny_bundle: Path) -> None:
    bundle, checkpoint = asclf.load(str(tiny_bundle)), asclf.load(tiny_run)
    assert isinstance(bundle, BundleClassifier)
    assert isinstance(checkpoint, CheckpointClassifier)
    assert bundle.labels == checkpoint.labels
    silence = np.zeros(16_000)
    assert bundle.predict(silence).label == checkpoint.predict(silence).label


def test_the_manifest_stands_for_its_bundle(tiny_bundle: Path) -> None:
    assert isinstance(asclf.load(tiny_bundle / "bundle.json"), BundleClassifier)


def test_a_checkpoint_file_is_loaded(tiny_run: Path) -> None:
    assert isinstance(asclf.load(tiny_run / "final.safetensors"), CheckpointClassifier)


def test_a_folder_above_models_names_them(tiny_run: Path, tiny_bundle: Path) -> None:
    with pytest.raises(CheckpointError, match="a folder without a model here") as caught:
        asclf.load(tiny_run.parent)
    assert str(tiny_bundle) in str(caught.value)
    assert str(tiny_run) in str(caught.value)


def test_nothing_is_said_to_be_nothing(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="there is nothing here; expected a bundle"):
        asclf.load(tmp_path / "absent")


def test_a_file_of_another_kind_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "weights.pt"
    path.touch()
    with pytest.raises(CheckpointError, match=r"weights\.pt: there is a file here"):
        asclf.load(path)


def test_a_broken_bundle_is_not_taken_for_something_else(tmp_path: Path) -> None:
    (tmp_path / "bundle.json").write_text("{}")
    with pytest.raises(BundleError, match="format_version"):
        asclf.load(tmp_path)


def _python(code: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_a_checkpoint_without_torch_names_the_extra(tiny_run: Path) -> None:
    code = "import sys; sys.modules['torch'] = None; import asclf; asclf.load(sys.argv[1])"
    done = _python(code, tiny_run)
    last_line = done.stderr.splitlines()[-1]
    assert last_line.startswith("asclf.errors.MissingExtraError: this needs the package 'torch'")
    assert "pip install 'asclf[train]'" in last_line


def test_importing_asclf_loads_neither_torch_nor_numpy() -> None:
    heavy = {"torch", "numpy", "pydantic", "onnxruntime"}
    done = _python(f"import sys, asclf; sys.exit(sorted({heavy} & set(sys.modules)) or 0)")
    assert (done.returncode, done.stderr) == (0, "")


def test_unknown_names_of_the_package_are_errors() -> None:
    with pytest.raises(AttributeError, match="no attribute 'laod'"):
        _ = asclf.laod
