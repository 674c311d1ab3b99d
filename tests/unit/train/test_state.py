from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import optim

from asclf.checkpoint import CheckpointMeta, load_weights, save_checkpoint
from asclf.config.experiment import bind_experiment
from asclf.config.yaml import parse_yaml
from asclf.errors import CheckpointError
from asclf.model import AudioClassifier, build_classifier
from asclf.registry import OPTIMIZERS
from asclf.train.state import below, load_state, optimizer_tensors, restore_optimizer, save_state
from asclf.train.tally import EpochTally, RunTally

CONFIG = "backbone: {type: spectromasknet_small, channels: [4, 4, 4, 4], depths: [1, 1, 1, 1]}"
META = CheckpointMeta(CONFIG, ("a", "b", "c"), epoch=2)
TALLY = RunTally(
    epochs=2,
    steps=9,
    clips=70,
    seconds=1.25,
    skipped=("x: broken",),
    current=EpochTally(batches=3, steps=2, clips=7, loss=0.1, skipped=("y: broken",)),
)


def make_model(num_classes: int = 3) -> AudioClassifier:
    model = build_classifier(bind_experiment(parse_yaml(CONFIG, "x.yaml")), num_classes)
    model.to(memory_format=torch.channels_last)
    return model


def take_steps(model: AudioClassifier, optimizer: optim.Optimizer, count: int = 2) -> None:
    for number in range(count):
        generator = torch.Generator().manual_seed(number)
        for parameter in model.parameters():
            parameter.grad = torch.empty_like(parameter).normal_(generator=generator)
        optimizer.step()


def save(path: Path, model: AudioClassifier, optimizer: optim.Optimizer) -> None:
    weights = {f"model.{name}": tensor for name, tensor in model.state_dict().items()}
    save_state(path, weights | optimizer_tensors(optimizer), TALLY, META)


def load(path: Path, model: AudioClassifier, optimizer: optim.Optimizer) -> RunTally:
    tensors, tally = load_state(path)
    load_weights(model, below("model.", tensors), path)
    restore_optimizer(optimizer, tensors)
    return tally


@pytest.mark.parametrize(
    ("name", "options"), [*((name, {}) for name in OPTIMIZERS.names()), ("sgd", {"momentum": 0.0})]
)
def test_a_restored_optimizer_goes_on_as_the_saved_one(
    tmp_path: Path, name: str, options: dict[str, float]
) -> None:
    entry = OPTIMIZERS.get(name)
    model, other = make_model(), make_model()
    optimizer, fresh = (entry.build(entry.configure(**options), model=m) for m in (model, other))
    take_steps(model, optimizer)
    save(tmp_path / "state", model, optimizer)
    assert load(tmp_path / "state", other, fresh) == TALLY
    for each, its_optimizer in ((model, optimizer), (other, fresh)):
        take_steps(each, its_optimizer)
    for one, two in zip(model.parameters(), other.parameters(), strict=True):
        assert torch.equal(one, two)


def test_moments_come_back_in_the_memory_format_of_their_parameters(tmp_path: Path) -> None:
    model = make_model()
    optimizer = optim.AdamW(model.parameters())
    take_steps(model, optimizer)
    save(tmp_path / "state", model, optimizer)
    fresh = optim.AdamW(model.parameters())
    load(tmp_path / "state", model, fresh)
    strides = {parameter.stride() for parameter in model.parameters() if parameter.ndim == 4}
    assert len(strides) > 1
    for parameter in model.parameters():
        assert fresh.state[parameter]["exp_avg"].stride() == parameter.stride()
        assert fresh.state[parameter]["exp_avg"].dtype == parameter.dtype


def test_counts_of_steps_stay_as_the_optimizer_keeps_them(tmp_path: Path) -> None:
    # of a parameter without dimensions they have its shape, and still neither its type nor device
    model = make_model().double()
    optimizer = optim.AdamW(model.parameters())
    take_steps(model, optimizer)
    save(tmp_path / "state", model, optimizer)
    fresh = optim.AdamW(model.parameters())
    load(tmp_path / "state", model, fresh)
    assert any(parameter.ndim == 0 for parameter in model.parameters())
    for parameter in model.parameters():
        step, expected = fresh.state[parameter]["step"], optimizer.state[parameter]["step"]
        assert step == expected
        assert step.dtype == expected.dtype != parameter.dtype


def test_a_checkpoint_is_no_state(tmp_path: Path) -> None:
    model = make_model()
    save_checkpoint(tmp_path / "state", model, META)
    with pytest.raises(CheckpointError, match="it is no state of a run"):
        load(tmp_path / "state", model, optim.SGD(model.parameters()))


def test_a_state_of_other_classes_is_refused_and_changes_nothing(tmp_path: Path) -> None:
    model, other = make_model(), make_model(num_classes=4)
    save(tmp_path / "state", model, optim.SGD(model.parameters()))
    before = [parameter.detach().clone() for parameter in other.parameters()]
    with pytest.raises(CheckpointError, match=r"'head\.\S+' \(3.*expected \(4"):
        load(tmp_path / "state", other, optim.SGD(other.parameters()))
    assert all(map(torch.equal, before, other.parameters()))
