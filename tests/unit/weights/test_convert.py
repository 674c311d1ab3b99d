from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch
from torch import Tensor

from asclf.checkpoint import load_checkpoint
from asclf.cli.main import main
from asclf.complexity import Network
from asclf.errors import CheckpointError, ConfigError, UnknownComponentError
from asclf.files import sha256_of
from asclf.registry import BACKBONES, HEADS
from asclf.weights import efficientat
from asclf.weights.convert import SOURCES, find_source, import_weights, shaped_like

NAME = "efficientat_mn04"
NUM_CLASSES = 3


def network() -> Network:
    backbone = BACKBONES.get(NAME).build(feat_dim=128)
    return Network(
        backbone, HEADS.get("mlp").build(embed_dim=backbone.embed_dim, num_classes=NUM_CLASSES)
    )


@pytest.fixture(scope="module")
def theirs() -> dict[str, Tensor]:
    """Random weights under the names and in the layout of EfficientAT's files.

    Their names are made here by the order of its modules, not by turning our map around.
    """
    torch.manual_seed(0)
    found = {}
    for name, value in network().state_dict().items():
        module, _, kind = name.rpartition(".")
        stored = torch.randn(value.shape) if value.is_floating_point() else value
        found[f"{their_module(module)}.{kind}"] = (
            stored.transpose(2, 3).contiguous() if stored.ndim == 4 else stored
        )
    return found


def their_module(module: str) -> str:
    """Where a module of ours stands in EfficientAT's."""
    head = {"head.hidden": "classifier.2", "head.output": "classifier.5"}
    if module in head:
        return head[module]
    layer = {"conv": "0", "norm": "1"}
    ends = re.fullmatch(r"backbone\.(stem|widen)\.(conv|norm)", module)
    if ends:
        return f"features.{0 if ends[1] == 'stem' else 16}.{layer[ends[2]]}"
    _, _, number, part, rest = module.split(".")
    parts = ["expand", "depthwise", "project"] if number != "0" else ["depthwise", "project"]
    if number in ("3", "4", "5", "10", "11", "12", "13", "14"):
        parts.insert(2, "excite")
    block = f"features.{int(number) + 1}.block.{parts.index(part)}"
    if part == "excite":
        return f"{block}.conc_se_layers.0.{'fc1' if rest == 'squeeze' else 'fc2'}"
    return f"{block}.{layer[rest]}"


@pytest.fixture
def file(theirs: dict[str, Tensor], tmp_path: Path) -> Path:
    path = tmp_path / "mn04_as.pt"
    torch.save(theirs, path)
    return path


def test_every_weight_arrives_in_its_place(theirs: dict[str, Tensor], file: Path) -> None:
    out = file.parent / "out" / "mn04.safetensors"
    imported = import_weights(file, NAME, out)
    assert imported.project == "EfficientAT"
    assert imported.left_out == 0
    assert imported.parameters == sum(p.numel() for p in network().parameters())
    checkpoint = load_checkpoint(out)
    state = checkpoint.model.state_dict()
    assert len(state) == len(theirs)
    kernel = theirs["features.4.block.1.0.weight"]  # depthwise 5×5, frequency before time
    assert torch.equal(state["backbone.blocks.3.depthwise.conv.weight"], kernel.transpose(2, 3))
    gate = theirs["features.15.block.2.conc_se_layers.0.fc2.bias"]
    assert torch.equal(state["backbone.blocks.14.excite.expand.bias"], gate)
    assert torch.equal(state["head.output.bias"], theirs["classifier.5.bias"])


def test_the_checkpoint_says_where_it_comes_from_and_what_it_needs(file: Path) -> None:
    out = file.parent / "mn04.safetensors"
    import_weights(file, NAME, out)
    checkpoint = load_checkpoint(out)
    assert checkpoint.config.sample_rate == 32_000
    assert checkpoint.config.frontend.entry.name == "efficientat_mel"
    assert checkpoint.config.head.entry.name == "mlp"
    assert checkpoint.labels.names == ("class_0", "class_1", "class_2")
    assert checkpoint.meta.facts["imported"] == {
        "project": "EfficientAT",
        "file": "mn04_as.pt",
        "sha256": sha256_of(file),
    }


def test_settings_can_be_others(file: Path) -> None:
    out = file.parent / "mn04.safetensors"
    import_weights(file, NAME, out, overrides=["frontend.num_mel_bins=64"])
    assert load_checkpoint(out).model.frontend.feat_dim == 64
    with pytest.raises(ConfigError, match="unknown key 'mel_bins'"):
        import_weights(file, NAME, out, overrides=["frontend.mel_bins=64"])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"features.0.0.weight": None}, r"'backbone\.stem\.conv\.weight' None; expected \(8, 1, 3"),
        ({"features.99.0.bias": torch.ones(1)}, r"1 tensors do not fit"),
        ({"extra": torch.ones(2)}, r"'extra' \(2,\); expected None"),
        ({"classifier.5.weight": None}, "no layer that gives logits; the first of its 311 weights"),
    ],
)
def test_weights_that_do_not_fit_leave_nothing_behind(
    theirs: dict[str, Tensor], tmp_path: Path, change: dict[str, Tensor | None], message: str
) -> None:
    changed = {name: value for name, value in (theirs | change).items() if value is not None}
    torch.save(changed, tmp_path / "a.pt")
    with pytest.raises(CheckpointError, match=message):
        import_weights(tmp_path / "a.pt", NAME, tmp_path / "out.safetensors")
    assert [path.name for path in tmp_path.iterdir()] == ["a.pt"]


def test_weights_of_another_width_are_refused(file: Path) -> None:
    with pytest.raises(CheckpointError, match="do not fit the model"):
        import_weights(file, "efficientat_mn05", file.parent / "out.safetensors")


def test_a_backbone_without_a_source_is_refused() -> None:
    with pytest.raises(CheckpointError, match=r"weights of 'spectromasknet'.*ecapa_tdnn"):
        find_source("spectromasknet")
    with pytest.raises(UnknownComponentError, match="did you mean 'ecapa_tdnn'"):
        find_source("ecapa_tdn")


def test_every_source_belongs_to_a_module_of_backbones() -> None:
    families = {
        BACKBONES.get(name).factory.__module__.rpartition(".")[2] for name in BACKBONES.names()
    }
    assert set(SOURCES) <= families


def test_unknown_names_stay_as_they_are() -> None:
    assert efficientat.our_name("classifier.1.running_var") == "classifier.1.running_var"
    assert efficientat.our_name("teacher.weight") == "teacher.weight"


def test_dimensions_of_size_1_come_and_go() -> None:
    like = {"a": torch.zeros(4, 3, 5, 1), "b": torch.zeros(4, 3), "c": torch.zeros(4, 3)}
    given = {"a": torch.rand(4, 3, 5), "b": torch.rand(4, 3, 1), "c": torch.rand(3, 4)}
    shaped = shaped_like(like, given)
    assert {name: value.shape for name, value in shaped.items()} == {
        "a": (4, 3, 5, 1),
        "b": (4, 3),
        "c": (3, 4),
    }


def test_the_verb_says_what_it_imported(
    file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(file.parent)
    labels = file.parent / "names.txt"
    labels.write_text("rain\nsea\nwind\n", encoding="utf-8")
    command = ["import-weights", str(file), "--backbone", NAME, "--labels", str(labels)]
    assert main([*command, "frontend.low_freq_hz=50"]) == 0
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith(f"{NAME}.safetensors: {NAME} of EfficientAT, ")
    assert line.endswith(" parameters, 3 classes")
    checkpoint = load_checkpoint(Path(f"{NAME}.safetensors"))
    assert checkpoint.labels.names == ("rain", "sea", "wind")


def test_the_verb_refuses_labels_of_another_number(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    labels = file.parent / "names.txt"
    labels.write_text("rain\nsea\n", encoding="utf-8")
    out = file.parent / "out.safetensors"
    command = ["import-weights", str(file), "--backbone", NAME, "--out", str(out)]
    assert main([*command, "--labels", str(labels)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line == f"{labels}: there are 2 names; expected 3, one for each output of the weights"
    assert not out.exists()
