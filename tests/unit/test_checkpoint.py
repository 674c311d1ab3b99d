from __future__ import annotations

import json
import resource
import struct
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from asclf.checkpoint import (
    FINAL,
    KEY,
    CheckpointMeta,
    average,
    check_labels,
    find_checkpoint,
    load_checkpoint,
    load_tensors,
    load_weights,
    save_checkpoint,
    save_tensors,
)
from asclf.config.experiment import bind_experiment
from asclf.config.yaml import parse_yaml
from asclf.data.labels import LabelMap
from asclf.errors import CheckpointError, ConfigError
from asclf.model import AudioClassifier, build_classifier

CONFIG = "backbone: {type: spectromasknet_small, channels: [4, 4, 4, 4], depths: [1, 1, 1, 1]}"
META = CheckpointMeta(CONFIG, ("a", "b", "c"), epoch=7, facts={"note": [1, "ü"]})


def make_model(num_classes: int = 3) -> AudioClassifier:
    return build_classifier(bind_experiment(parse_yaml(CONFIG, "x.yaml")), num_classes)


def write(path: Path, meta: CheckpointMeta = META) -> Path:
    save_checkpoint(path, make_model(), meta)
    return path


def error_of(path: Path) -> str:
    """The one line that loading the file ends with."""
    with pytest.raises(CheckpointError) as caught:
        load_checkpoint(path)
    assert caught.value.where == str(path)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_checkpoint_gives_the_same_logits_in_evaluation_mode(tmp_path: Path) -> None:
    model = make_model()
    save_checkpoint(tmp_path / "x.safetensors", model, META)
    checkpoint = load_checkpoint(tmp_path / "x.safetensors")
    waveform = 0.1 * torch.randn(2, 8000)
    assert not checkpoint.model.training
    assert torch.equal(checkpoint.model(waveform), model.eval()(waveform))
    assert checkpoint.meta == META
    assert checkpoint.labels.names == ("a", "b", "c")
    assert checkpoint.config.backbone.config.channels == (4, 4, 4, 4)


def test_tensors_keep_values_types_and_shapes_but_no_memory_format(tmp_path: Path) -> None:
    tensors = {
        "kernel": torch.randn(2, 3, 4, 5).to(memory_format=torch.channels_last),
        "scalar": torch.tensor(3),
        "transposed": torch.randn(3, 2).T,
    }
    save_tensors(tmp_path / "x", tensors, META)
    found, meta = load_tensors(tmp_path / "x")
    assert found.keys() == tensors.keys()
    for name, tensor in tensors.items():
        assert torch.equal(found[name], tensor)
        assert found[name].dtype == tensor.dtype
        assert found[name].is_contiguous()
    assert meta == META


# Files that are no checkpoints -------------------------------------------------------------------


@pytest.mark.parametrize("kept", [0.0, 0.0001, 0.01, 0.5, 0.99, 0.99999])
def test_a_checkpoint_cut_short_is_an_error(tmp_path: Path, kept: float) -> None:
    path = write(tmp_path / "x.safetensors")
    content = path.read_bytes()
    path.write_bytes(content[: int(kept * len(content))])
    assert "cannot be read: " in error_of(path)


@pytest.mark.fault
def test_a_checkpoint_cut_at_any_byte_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    save_tensors(path, {"weight": torch.ones(10)}, META)
    content = path.read_bytes()
    for size in range(len(content)):
        path.write_bytes(content[:size])
        assert "cannot be read: " in error_of(path)


@pytest.mark.parametrize("content", [b"no weights", b"\x80\x04pickled", bytes(1000)])
def test_another_file_is_an_error(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.safetensors"
    path.write_bytes(content)
    assert "cannot be read: " in error_of(path)


def test_weights_of_another_program_are_an_error(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    save_file({"weight": torch.ones(2)}, path, metadata={"format": "pt"})
    assert "no configuration in them" in error_of(path)
    save_file({"weight": torch.ones(2)}, path)
    assert "no configuration in them" in error_of(path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda meta: {**meta, "format": 2}, "its format cannot be used"),
        (lambda meta: {**meta, "epoch": -1}, "its epoch cannot be used"),
        (lambda meta: {**meta, "labels": ["a", 2]}, "its labels.1 cannot be used"),
        (lambda meta: {**meta, "more": 1}, "its more cannot be used"),
        (lambda _: {}, "its config cannot be used"),
        (lambda _: [], "its description cannot be used"),
    ],
)
def test_a_description_of_another_version_is_an_error(
    tmp_path: Path, change: Callable[[dict[str, object]], object], message: str
) -> None:
    path = write(tmp_path / "x.safetensors")
    content = path.read_bytes()
    (size,) = struct.unpack("<Q", content[:8])
    header = json.loads(content[8 : 8 + size])
    header["__metadata__"][KEY] = json.dumps(change(json.loads(header["__metadata__"][KEY])))
    changed = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(changed)) + changed + content[8 + size :])
    assert message in error_of(path)
    assert "written by this version of asclf" in error_of(path)


def test_a_description_that_is_no_json_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    save_file({"weight": torch.ones(2)}, path, metadata={KEY: "{"})
    assert "its description cannot be used: Invalid JSON" in error_of(path)


def test_a_configuration_that_cannot_be_built_is_named_with_its_place(tmp_path: Path) -> None:
    meta = CheckpointMeta("backbone: {type: absent_net}\n", ("a",), epoch=1)
    path = write(tmp_path / "x.safetensors", meta)
    with pytest.raises(ConfigError) as caught:
        load_checkpoint(path)
    assert str(caught.value).startswith(f"{path} (its configuration):1:18: unknown backbone")


# Weights and classes that do not fit -------------------------------------------------------------


def test_weights_of_other_classes_are_an_error(tmp_path: Path) -> None:
    path = write(tmp_path / "x.safetensors", CheckpointMeta(CONFIG, tuple("abcd"), epoch=1))
    message = error_of(path)
    assert "2 tensors do not fit the model, the first 'head." in message
    assert "another set of classes" in message


@pytest.mark.parametrize("change", ["missing", "unknown", "reshaped"])
def test_weights_are_loaded_all_or_none(change: str) -> None:
    model = make_model()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    tensors = {name: torch.full_like(tensor, 5) for name, tensor in before.items()}
    name = "head.linear.weight" if "head.linear.weight" in tensors else next(iter(tensors))
    if change == "missing":
        del tensors[name]
    elif change == "unknown":
        tensors["other"] = torch.ones(2)
    else:
        tensors[name] = tensors[name].unsqueeze(0)
    with pytest.raises(CheckpointError, match="1 tensors do not fit the model"):
        load_weights(model, tensors, Path("x"))
    assert all(torch.equal(before[name], model.state_dict()[name]) for name in before)


def test_classes_must_be_those_of_the_data(tmp_path: Path) -> None:
    checkpoint = load_checkpoint(write(tmp_path / "x.safetensors"))
    check_labels(checkpoint, LabelMap(("a", "b", "c")), "shards")
    for names in (("a", "c", "b"), ("a", "b"), tuple("abcde")):
        with pytest.raises(CheckpointError, match=r"it was trained on 3 classes \(a, b, c\)"):
            check_labels(checkpoint, LabelMap(names), "shards")


# Finding and writing -----------------------------------------------------------------------------


def test_a_run_folder_stands_for_its_final_weights(tmp_path: Path) -> None:
    path = write(tmp_path / "exp" / "fold2" / FINAL)
    assert find_checkpoint(path) == find_checkpoint(path.parent) == path
    with pytest.raises(CheckpointError, match="there are some in: fold2"):
        find_checkpoint(tmp_path / "exp")
    with pytest.raises(CheckpointError, match="train first"):
        find_checkpoint(tmp_path / "absent")


def test_a_checkpoint_that_cannot_be_written_leaves_the_older_one(tmp_path: Path) -> None:
    path = write(tmp_path / "x.safetensors")
    before = path.read_bytes()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) // 2, limits[1]))
    try:
        with pytest.raises(CheckpointError, match=r"x\.safetensors: cannot be written: ") as caught:
            write(path, CheckpointMeta(CONFIG, META.labels, epoch=8))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert "\n" not in str(caught.value)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


# Averages ----------------------------------------------------------------------------------------


def save(folder: Path, number: int, **tensors: torch.Tensor) -> Path:
    path = folder / f"epoch_{number:04d}.safetensors"
    save_tensors(path, tensors, CheckpointMeta(CONFIG, META.labels, number, {"note": number}))
    return path


def test_an_average_is_computed_in_double_precision_and_keeps_types(tmp_path: Path) -> None:
    # in float32, 2**24 + 1 + 1 is 2**24
    values = [2.0**24, 1.0, 1.0, 2.0]
    paths = [
        save(
            tmp_path, i, weight=torch.tensor([value]), half=torch.ones(2).half(), n=torch.tensor(i)
        )
        for i, value in enumerate(values, 1)
    ]
    tensors, meta = average(paths)
    assert tensors["weight"].item() == 2.0**22 + 1
    assert tensors["weight"].dtype == torch.float32
    assert tensors["half"].dtype == torch.float16
    assert tensors["n"].item() == 4
    assert (meta.config, meta.labels, meta.epoch) == (CONFIG, META.labels, 4)
    assert meta.facts == {"note": 4, "averaged": [path.stem for path in paths]}


def test_an_average_of_one_is_that_one(tmp_path: Path) -> None:
    weight = torch.randn(5)
    tensors, _ = average([save(tmp_path, 1, weight=weight)])
    assert torch.equal(tensors["weight"], weight)


@pytest.mark.parametrize(
    "other",
    [{"weight": torch.ones(3)}, {"other": torch.ones(2)}, {}],
    ids=["shape", "name", "none"],
)
def test_an_average_over_two_models_names_the_other(
    tmp_path: Path, other: dict[str, torch.Tensor]
) -> None:
    paths = [save(tmp_path, 1, **other), save(tmp_path, 2, weight=torch.ones(2))]
    with pytest.raises(CheckpointError, match=r"epoch_0001\.safetensors: \d tensors do not fit"):
        average(paths)


def test_an_average_without_one_of_its_files_names_it(tmp_path: Path) -> None:
    paths = [tmp_path / "epoch_0001.safetensors", save(tmp_path, 2, weight=torch.ones(2))]
    with pytest.raises(CheckpointError, match=r"epoch_0001\.safetensors: cannot be read"):
        average(paths)
