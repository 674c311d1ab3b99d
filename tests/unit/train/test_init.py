"""Runs that start from a checkpoint: what is loaded, what is refused, what is told."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from asclf.checkpoint import load_tensors, save_tensors
from asclf.cli.main import main
from asclf.errors import CheckpointError, ConfigError, TrainError

Train = Callable[..., Path]

STILL = ("optimizer.lr=1e-12", "train.epochs=1", "train.average_last=1")

pytestmark = pytest.mark.filterwarnings("ignore:This DataLoader will create")


@pytest.fixture
def pretrained(train: Train) -> Path:
    """Weights of the toy problem's own classes."""
    return train("pretrained", "seed=5") / "final.safetensors"


@pytest.fixture
def with_other_head(pretrained: Path, tmp_path: Path) -> Path:
    """The same backbone below a head for eleven classes, and a tensor that nothing knows."""
    tensors, meta = load_tensors(pretrained)
    tensors["head.output.weight"] = torch.randn(11, tensors["head.output.weight"].shape[1])
    tensors["head.output.bias"] = torch.randn(11)
    tensors["teacher.bias"] = torch.zeros(2)
    path = tmp_path / "other_head.safetensors"
    save_tensors(path, tensors, meta)
    return path


def parameters(run: Path) -> dict[str, torch.Tensor]:
    tensors, _ = load_tensors(run if run.is_file() else run / "final.safetensors")
    return {name: value for name, value in tensors.items() if "running" not in name}


def told(run: Path) -> Any:
    return json.loads((run / "summary.json").read_text())["init"]


def test_a_run_starts_from_the_weights_of_the_checkpoint(train: Train, pretrained: Path) -> None:
    run = train("tuned", f"init.checkpoint={pretrained}", *STILL)
    before, after = parameters(pretrained), parameters(run)
    for name, value in after.items():
        if value.is_floating_point():
            torch.testing.assert_close(value, before[name], rtol=0, atol=1e-6)
    report = told(run)
    assert report["loaded"] == len(load_tensors(pretrained)[0])
    assert (report["not_loaded"], report["unused"]) == ({}, {})
    assert report["checkpoint"] == str(pretrained)


def test_a_run_folder_stands_for_its_final_weights(train: Train, pretrained: Path) -> None:
    one = train("one", f"init.checkpoint={pretrained}")
    other = train("other", f"init.checkpoint={pretrained.parent}")
    assert (one / "final.safetensors").read_bytes() != (pretrained).read_bytes()
    for name, value in parameters(one).items():
        assert torch.equal(value, parameters(other)[name])


def test_a_run_from_random_weights_says_so(train: Train) -> None:
    run = train("a", *STILL)
    assert told(run) is None
    assert "init_sha256" not in json.loads((run / "data.json").read_text())


def test_what_does_not_fit_is_passed_over_and_told(
    train: Train, with_other_head: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, logger="asclf"):
        run = train("tuned", f"init.checkpoint={with_other_head}", "init.strict=false", *STILL)
    report = told(run)
    assert report["not_loaded"] == {
        "head.output.bias": "(11,) in the checkpoint and (3,) in the model",
        "head.output.weight": "(11, 4) in the checkpoint and (3, 4) in the model",
    }
    assert report["unused"] == {"teacher.bias": "not in the model"}
    assert f"starts from {with_other_head}: {report['loaded']} of" in caplog.text
    assert "not loaded, being (11,) in the checkpoint and (3,) in the model: head.output.bias" in (
        caplog.text
    )
    assert "unused, being not in the model: teacher.bias" in caplog.text


def test_what_is_dropped_may_differ_under_strict(train: Train, with_other_head: Path) -> None:
    options = (f"init.checkpoint={with_other_head}", *STILL)
    with pytest.raises(CheckpointError, match=r"3 tensors do not fit .*'head.output.weight'"):
        train("refused", *options)
    run = train("tuned", *options, "init.drop=[head, teacher]")
    assert set(told(run)["not_loaded"].values()) == {"named in init.drop"}


def test_dropped_weights_are_those_that_the_seed_draws(train: Train, pretrained: Path) -> None:
    fresh = parameters(train("fresh", *STILL))
    tuned = parameters(train("tuned", f"init.checkpoint={pretrained}", "init.drop=[head]", *STILL))
    name = "head.output.weight"
    torch.testing.assert_close(tuned[name], fresh[name], rtol=0, atol=1e-6)
    assert not torch.allclose(tuned[name], parameters(pretrained)[name], rtol=0, atol=1e-3)


def test_a_drop_that_names_nothing_is_an_error(train: Train, pretrained: Path) -> None:
    with pytest.raises(ConfigError, match=r"names 'haed'.*did you mean 'head'"):
        train("a", f"init.checkpoint={pretrained}", "init.drop=[haed]")


def test_weights_of_something_else_are_refused(
    train: Train, pretrained: Path, tmp_path: Path
) -> None:
    _, meta = load_tensors(pretrained)
    save_tensors(tmp_path / "foreign.safetensors", {"other.weight": torch.zeros(2)}, meta)
    with pytest.raises(CheckpointError, match="not one of its tensors fits"):
        train("a", f"init.checkpoint={tmp_path / 'foreign.safetensors'}", "init.strict=false")


def test_a_checkpoint_that_is_not_there_is_one_line(
    toy_config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    absent, exp = tmp_path / "absent.safetensors", tmp_path / "exp"
    command = ["train", "--config", str(toy_config), "--exp", str(exp)]
    assert main([*command, f"init.checkpoint={absent}"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"{absent}: there is no checkpoint to start from")
    assert not exp.exists()


def test_other_features_than_those_of_the_weights_are_warned_of(
    train: Train, pretrained: Path, caplog: pytest.LogCaptureFixture
) -> None:
    train("a", f"init.checkpoint={pretrained}", "frontend.mean_norm=true", *STILL)
    assert "were trained with frontend = " in caplog.text
    assert "with sample_rate" not in caplog.text


def test_a_run_goes_on_only_from_the_weights_it_started_from(
    train: Train, pretrained: Path, with_other_head: Path, tmp_path: Path
) -> None:
    started = tmp_path / "start" / "weights.safetensors"
    started.parent.mkdir()
    started.write_bytes(pretrained.read_bytes())
    options = (f"init.checkpoint={started}", "init.strict=false", *STILL)
    train("a", *options)
    moved = tmp_path / "moved" / "weights.safetensors"
    moved.parent.mkdir()
    started.rename(moved)
    options = (f"init.checkpoint={moved}", *options[1:])
    train("a", *options, resume=True)
    moved.write_bytes(with_other_head.read_bytes())
    with pytest.raises(TrainError, match="from other weights"):
        train("a", *options, resume=True)
