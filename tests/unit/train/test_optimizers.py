from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn, optim

from asclf.registry import OPTIMIZERS


def make(name: str, model: nn.Module, **options: Any) -> optim.Optimizer:
    entry = OPTIMIZERS.get(name)
    optimizer = entry.build(entry.configure(**options), model=model)
    assert isinstance(optimizer, optim.Optimizer)
    return optimizer


def small_model() -> nn.Module:
    return nn.Sequential(nn.Conv1d(2, 4, 3), nn.GroupNorm(1, 4), nn.Flatten(), nn.Linear(8, 3))


@pytest.mark.parametrize(
    ("name", "kind"), [("adam", optim.Adam), ("adamw", optim.AdamW), ("sgd", optim.SGD)]
)
def test_names_stand_for_torch_optimizers(name: str, kind: type) -> None:
    assert type(make(name, small_model())) is kind


@pytest.mark.parametrize("name", ["adam", "adamw", "sgd"])
def test_decay_spares_biases_norms_and_scalars(name: str) -> None:
    model = small_model()
    model.register_parameter("scale", nn.Parameter(torch.zeros(())))
    groups = make(name, model, weight_decay=0.1).param_groups
    decayed = {id(p) for group in groups if group["weight_decay"] for p in group["params"]}
    every = {id(p) for group in groups for p in group["params"]}
    assert decayed == {id(model[0].weight), id(model[3].weight)}  # type: ignore[index]
    assert every == {id(parameter) for parameter in model.parameters()}


def test_frozen_parameters_are_left_out() -> None:
    model = small_model()
    model[0].requires_grad_(False)  # type: ignore[index]
    groups = make("adamw", model).param_groups
    assert sum(len(group["params"]) for group in groups) == 4


def test_a_model_without_kernels_has_one_group() -> None:
    assert len(make("adam", nn.GroupNorm(1, 4)).param_groups) == 1


def test_options_reach_torch() -> None:
    model = small_model()
    adam = make("adam", model, lr=0.5, betas=(0.8, 0.9)).param_groups[0]
    assert (adam["lr"], adam["betas"]) == (0.5, (0.8, 0.9))
    sgd = make("sgd", model, lr=0.5, momentum=0.7, nesterov=True).param_groups[0]
    assert (sgd["lr"], sgd["momentum"], sgd["nesterov"]) == (0.5, 0.7, True)


def test_sgd_without_momentum_is_plain_descent() -> None:
    model = nn.Linear(3, 1, bias=False)
    before = model.weight.detach().clone()
    optimizer = make("sgd", model, lr=0.1, momentum=0.0, weight_decay=0.0)
    model(torch.ones(1, 3)).sum().backward()
    optimizer.step()
    torch.testing.assert_close(model.weight.detach(), before - 0.1)
