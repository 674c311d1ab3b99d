"""The optimizers: torch's own, built from a model so that decay falls on the right weights.

Weight decay acts on matrices and kernels (two dimensions and more). Biases, the scales of norms and
every other parameter of one dimension or none are left alone: pulling them to 0 does not regularise
what a layer computes, it only moves where its normalisation puts things.

Adam updates in one fused pass: a small network has hundreds of parameters, and the ten operations
on each would take a few percent of its step.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, NonNegativeFloat, PositiveFloat
from torch import nn, optim

from asclf.config import component_config
from asclf.registry import OPTIMIZERS

Momentum = Annotated[float, Field(ge=0, lt=1)]


@component_config
class AdamConfig:
    """Options of `adam` and `adamw`."""

    lr: PositiveFloat = 1e-3
    """Learning rate before the scheduler's factor."""
    weight_decay: NonNegativeFloat = 0.0
    """Added to the gradient by `adam`, taken off the weights by `adamw`."""
    betas: tuple[Momentum, Momentum] = (0.9, 0.999)
    """Decay of the running means of the gradient and of its square."""


@component_config
class SGDConfig:
    """Options of `sgd`."""

    lr: PositiveFloat = 0.1
    """Learning rate before the scheduler's factor."""
    weight_decay: NonNegativeFloat = 5e-4
    """Added to the gradient."""
    momentum: Momentum = 0.9
    """Decay of the running gradient; 0 is plain gradient descent."""
    nesterov: bool = True
    """Look ahead along the momentum; without effect where `momentum` is 0."""


@OPTIMIZERS.register("adam", AdamConfig)
def adam(config: AdamConfig, *, model: nn.Module) -> optim.Optimizer:
    """Adam (arXiv 1412.6980); its weight decay is an L2 penalty."""
    groups = parameter_groups(model, config.weight_decay)
    return optim.Adam(groups, lr=config.lr, betas=config.betas, fused=True)


@OPTIMIZERS.register("adamw", AdamConfig, weight_decay=0.01)
def adamw(config: AdamConfig, *, model: nn.Module) -> optim.Optimizer:
    """Adam with decoupled weight decay (arXiv 1711.05101)."""
    groups = parameter_groups(model, config.weight_decay)
    return optim.AdamW(groups, lr=config.lr, betas=config.betas, fused=True)


@OPTIMIZERS.register("sgd", SGDConfig)
def sgd(config: SGDConfig, *, model: nn.Module) -> optim.Optimizer:
    """Stochastic gradient descent with momentum."""
    groups = parameter_groups(model, config.weight_decay)
    nesterov = config.nesterov and config.momentum > 0
    return optim.SGD(groups, lr=config.lr, momentum=config.momentum, nesterov=nesterov)


def parameter_groups(model: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """The trainable parameters in two groups, decayed and not; an empty group is left out."""
    trainable = [parameter for parameter in model.parameters() if parameter.requires_grad]
    groups = [
        {"params": [p for p in trainable if p.ndim >= 2], "weight_decay": weight_decay},
        {"params": [p for p in trainable if p.ndim < 2], "weight_decay": 0.0},
    ]
    return [group for group in groups if group["params"]]
