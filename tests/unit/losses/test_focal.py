from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from asclf.registry import LOSSES


def focal(logits: Tensor, targets: Tensor, gamma: float) -> Tensor:
    entry = LOSSES.get("focal")
    value = entry.build(entry.configure(gamma=gamma), num_classes=targets.shape[1])(logits, targets)
    assert isinstance(value, Tensor)
    return value


@pytest.mark.parametrize("gamma", [0.5, 1.0, 2.0, 5.0])
def test_focal_follows_its_definition(gamma: float) -> None:
    logits, indices = torch.randn(8, 5), torch.randint(5, (8,))
    p = logits.softmax(1)[torch.arange(8), indices]
    expected = -((1 - p) ** gamma * p.log()).mean()
    torch.testing.assert_close(focal(logits, torch.eye(5)[indices], gamma), expected)


def test_gamma_0_is_cross_entropy_of_soft_targets_too() -> None:
    logits, targets = torch.randn(8, 5), torch.rand(8, 5).softmax(1)
    torch.testing.assert_close(focal(logits, targets, 0.0), cross_entropy(logits, targets))


def test_focal_of_mixed_targets_is_the_mixed_loss() -> None:
    logits = torch.randn(1, 4)
    first, second = torch.eye(4)[:1], torch.eye(4)[1:2]
    mixed = focal(logits, 0.3 * first + 0.7 * second, 2.0)
    expected = 0.3 * focal(logits, first, 2.0) + 0.7 * focal(logits, second, 2.0)
    torch.testing.assert_close(mixed, expected)


def test_what_is_classified_well_counts_for_less() -> None:
    easy, hard = torch.tensor([[4.0, 0.0]]), torch.tensor([[-4.0, 0.0]])
    targets = torch.eye(2)[:1]
    ratio = [focal(easy, targets, gamma) / focal(hard, targets, gamma) for gamma in (0.0, 2.0)]
    assert ratio[1] < 0.01 * ratio[0]


@pytest.mark.parametrize("gamma", [0.0, 0.5, 1.0, 2.0])
@pytest.mark.parametrize("logit", [200.0, -200.0, 17.0])
def test_very_sure_logits_have_a_finite_gradient(gamma: float, logit: float) -> None:
    logits = torch.tensor([[logit, 0.0, 0.0]], requires_grad=True)
    focal(logits, torch.eye(3)[:1], gamma).backward()
    assert logits.grad is not None
    assert logits.grad.isfinite().all()
