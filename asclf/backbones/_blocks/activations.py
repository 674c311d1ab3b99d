"""The activations that a configuration may name."""

from __future__ import annotations

from typing import Literal, TypeAlias

from torch import nn

Activation: TypeAlias = Literal["relu", "gelu", "silu", "hardswish"]


def activate(name: Activation) -> nn.Module:
    """A fresh activation; in place where its gradient allows, which spares a map of memory."""
    modules: dict[Activation, nn.Module] = {
        "relu": nn.ReLU(inplace=True),
        "gelu": nn.GELU(),
        "silu": nn.SiLU(inplace=True),
        "hardswish": nn.Hardswish(inplace=True),
    }
    return modules[name]
