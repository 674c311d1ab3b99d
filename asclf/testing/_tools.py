"""What the checks share."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps

import torch
from safetensors.torch import load, save
from torch import Tensor, nn

from asclf.registry import Entry

Check = Callable[[Entry], None]


def seeded(check: Check) -> Check:
    """Runs a check from seed 0 and puts torch's global generator back after it."""

    @wraps(check)
    def run(entry: Entry) -> None:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            check(entry)

    return run


def assert_same(found: Tensor, expected: Tensor, what: str, tolerance: float = 0.0) -> None:
    """Two tensors of one shape and type that differ by no more than `tolerance`.

    Where the largest expected value is above 1, the tolerance is relative to it.
    """
    assert found.shape == expected.shape, f"{what}: {found.shape}, expected {expected.shape}"
    assert found.dtype == expected.dtype, f"{what}: {found.dtype}, expected {expected.dtype}"
    if found.numel():
        difference = (found.float() - expected.float()).abs().max().item()
        allowed = tolerance * max(1.0, expected.float().abs().max().item())
        assert difference <= allowed, f"{what}: they differ by {difference:.3g}"


def assert_finite(values: Tensor, what: str) -> None:
    """A float32 tensor without NaN or infinity."""
    assert values.dtype == torch.float32, f"{what} is {values.dtype}, expected float32"
    assert values.isfinite().all(), f"{what} is not finite"


def assert_gradients(module: nn.Module, output: Tensor) -> None:
    """Every trainable parameter has part in `output`, and its gradient is finite."""
    (output * torch.randn_like(output)).sum().backward()  # type: ignore[no-untyped-call]
    for name, parameter in module.named_parameters():
        if parameter.requires_grad:
            assert parameter.grad is not None, f"{name} gets no gradient"
            assert parameter.grad.isfinite().all(), f"the gradient of {name} is not finite"


def copy_state(source: nn.Module, target: nn.Module) -> None:
    """Copies weights and buffers the way a checkpoint does: through safetensors, all of them."""
    target.load_state_dict(load(save(source.state_dict())), strict=True)
