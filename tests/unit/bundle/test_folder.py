from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from asclf.bundle import BundleManifest, read_bundle, verify_bundle, write_bundle
from asclf.bundle.golden import Golden
from asclf.bundle.manifest import NetworkFacts, ParityFacts, TensorInfo, TrainingFacts
from asclf.errors import BundleError

MANIFEST = BundleManifest(
    name="chirp_net",
    asclf_version="1.2.3",
    labels=("dog", "Hörnchen"),
    frontend={"type": "fbank", "sample_rate": 16_000, "num_mel_bins": 4},
    input=TensorInfo(name="feats", shape=("batch", "frames", 4)),
    output=TensorInfo(name="logits", shape=("batch", 2)),
    network=NetworkFacts(backbone="tiny", parameters=1234, macs=5_000_000, macs_duration_s=5.0),
    training=TrainingFacts(
        config_sha256="ab" * 32, epochs=7, test_fold=3, score="81.2 % of clips", data_licence="CC0"
    ),
    parity=ParityFacts(
        network_max_error=1e-6,
        network_tolerance="1e-4",
        whole_max_error=2e-4,
        whole_tolerance="1e-2",
        durations_s=(0.01, 5.0),
        batch_sizes=(1, 4),
    ),
    files={},
)
ARRAY = np.zeros(3, np.float32)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "model.onnx").write_bytes(b"a network")
    write_bundle(tmp_path, MANIFEST, {"silence": Golden(ARRAY, ARRAY, ARRAY)})
    return tmp_path


def _edit(folder: Path, **values: Any) -> None:
    path = folder / "bundle.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


def test_a_written_bundle_is_read_back_and_verified(folder: Path) -> None:
    manifest = verify_bundle(folder)
    assert manifest == read_bundle(folder)
    assert manifest.labels == MANIFEST.labels
    assert manifest.input == MANIFEST.input
    assert manifest.files["model.onnx"].bytes == len(b"a network")
    names = {file.name for file in folder.iterdir()}
    assert names == {"model.onnx", "golden.npz", "bundle.json", "MODEL_CARD.md"}


def test_a_bundle_from_before_these_facts_existed_is_read(folder: Path) -> None:
    path = folder / "bundle.json"
    values = json.loads(path.read_text())
    for key in ("activation", "embedding", "unknown"):
        del values[key]
    path.write_text(json.dumps(values))
    manifest = verify_bundle(folder)
    assert (manifest.activation, manifest.embedding, manifest.unknown) == ("softmax", None, None)


def test_the_card_says_what_the_manifest_says(folder: Path) -> None:
    card = (folder / "MODEL_CARD.md").read_text(encoding="utf-8")
    facts = ["# chirp_net", "2 classes", "`tiny`", "1,234 parameters", "`num_mel_bins` | 4"]
    facts += ["`Hörnchen`", "fold 3", "7 epochs", "81.2 % of clips", "CC0", "(batch, frames, 4)"]
    for fact in facts:
        assert fact in card


def test_an_edited_card_leaves_the_bundle_whole(folder: Path) -> None:
    (folder / "MODEL_CARD.md").write_text("ours")
    verify_bundle(folder)


@pytest.mark.parametrize("name", ["model.onnx", "golden.npz"])
def test_a_missing_file_is_named(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(BundleError, match=f"no file {name}"):
        verify_bundle(folder)


@pytest.mark.parametrize("name", ["model.onnx", "golden.npz"])
def test_a_changed_byte_is_found(folder: Path, name: str) -> None:
    path = folder / name
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(BundleError, match=f"{name}: it has changed since it was exported"):
        verify_bundle(folder)


def test_a_file_that_the_manifest_forgot_is_an_error(folder: Path) -> None:
    files = json.loads((folder / "bundle.json").read_text())["files"]
    _edit(folder, files={"model.onnx": files["model.onnx"]})
    with pytest.raises(BundleError, match=r"does not list golden\.npz"):
        verify_bundle(folder)


def test_a_file_outside_the_folder_is_no_part_of_it(folder: Path) -> None:
    outside = folder.parent / "outside.bin"
    outside.write_bytes(b"x")
    files = json.loads((folder / "bundle.json").read_text())["files"]
    _edit(folder, files={**files, "../outside.bin": {"bytes": 1, "sha256": ""}})
    with pytest.raises(BundleError, match="no file"):
        verify_bundle(folder)


def test_a_folder_without_a_manifest_is_no_bundle(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"bundle\.json cannot be read"):
        read_bundle(tmp_path)


@pytest.mark.parametrize("version", [0, 2, "1", None])
def test_an_unknown_format_version_is_refused_before_all_else(
    folder: Path, version: object
) -> None:
    _edit(folder, format_version=version, surprise=True)
    with pytest.raises(BundleError, match=f"format_version is {version!r}; expected 1"):
        read_bundle(folder)


@pytest.mark.parametrize("text", ["", "{", "[]", "3"])
def test_text_that_is_no_manifest_is_refused(folder: Path, text: str) -> None:
    (folder / "bundle.json").write_text(text)
    with pytest.raises(BundleError, match=r"bundle\.json"):
        read_bundle(folder)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"surprise": 1}, "surprise"),
        ({"labels": "dog"}, "labels"),
        ({"labels": ["dog"]}, "names 1 labels; expected one for each of the network's 2"),
        ({"labels": ["dog", "dog"]}, "names 1 labels"),
        ({"network": {"backbone": "tiny"}}, r"network\.parameters"),
    ],
)
def test_a_manifest_that_does_not_fit_names_the_key(
    folder: Path, change: dict[str, Any], message: str
) -> None:
    _edit(folder, **change)
    with pytest.raises(BundleError, match=message):
        read_bundle(folder)
