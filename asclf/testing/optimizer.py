"""What every optimizer promises."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn, optim

from asclf.registry import Entry
from asclf.testing._tools import Check, assert_same, seeded


@seeded
def check_loss_falls(entry: Entry) -> None:
    """With its defaults, 20 steps bring a small model nearer to its targets."""
    model = _model()
    optimizer = _build(entry, model)
    losses = [_step(model, optimizer) for _ in range(21)]
    assert losses[-1] < losses[0]


@seeded
def check_every_parameter_moves(entry: Entry) -> None:
    """Every trainable parameter belongs to it, once."""
    model = _model()
    optimizer = _build(entry, model)
    owned = [id(p) for group in optimizer.param_groups for p in group["params"]]
    assert sorted(owned) == sorted(id(parameter) for parameter in model.parameters())
    before = [parameter.detach().clone() for parameter in model.parameters()]
    _step(model, optimizer)
    for old, parameter in zip(before, model.parameters(), strict=True):
        assert not torch.equal(old, parameter)


@seeded
def check_state_round_trip(entry: Entry) -> None:
    """A loaded state goes on exactly as the saved one would have."""
    model = _model()
    optimizer = _build(entry, model)
    _step(model, optimizer)
    other = copy.deepcopy(model)
    resumed = _build(entry, other)
    resumed.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    for each, its_optimizer in ((model, optimizer), (other, resumed)):
        _step(each, its_optimizer)
    for one, two in zip(model.parameters(), other.parameters(), strict=True):
        assert_same(two.detach(), one.detach(), "a weight of the resumed run and of the whole one")


@seeded
def check_state_is_tensors(entry: Entry) -> None:
    """What it keeps for a parameter is tensors or nothing, so that safetensors can hold it."""
    model = _model()
    optimizer = _build(entry, model)
    _step(model, optimizer)
    for moments in optimizer.state_dict()["state"].values():
        for name, value in moments.items():
            assert value is None or isinstance(value, Tensor), f"{name} is a {type(value).__name__}"


def _model() -> nn.Module:
    return nn.Sequential(nn.Linear(6, 8), nn.LayerNorm(8), nn.ReLU(), nn.Linear(8, 3))


def _build(entry: Entry, model: nn.Module) -> optim.Optimizer:
    optimizer = entry.build(model=model)
    assert isinstance(optimizer, optim.Optimizer)
    return optimizer


def _step(model: nn.Module, optimizer: optim.Optimizer) -> float:
    """One step on the same batch every time; returns the loss before it."""
    inputs = torch.linspace(-1, 1, 60).reshape(10, 6)
    targets = torch.linspace(0, 1, 30).reshape(10, 3).sin()
    optimizer.zero_grad()
    loss: Tensor = (model(inputs) - targets).square().mean()
    loss.backward()  # type: ignore[no-untyped-call]
    optimizer.step()
    return loss.item()


CHECKS: tuple[Check, ...] = (
    check_loss_falls,
    check_every_parameter_moves,
    check_state_round_trip,
    check_state_is_tensors,
)
