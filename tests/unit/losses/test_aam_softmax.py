from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from asclf.errors import ConfigError
from asclf.registry import HEADS, LOSSES


def aam_softmax(logits: Tensor, targets: Tensor, **options: Any) -> Tensor:
    entry = LOSSES.get("aam_softmax")
    value = entry.build(entry.configure(**options), num_classes=targets.shape[1])(logits, targets)
    assert isinstance(value, Tensor)
    return value


def angles_to_logits(angles: Tensor, scale: float) -> Tensor:
    return scale * angles.cos()


@pytest.mark.parametrize(("margin", "scale"), [(0.2, 30.0), (0.5, 64.0)])
def test_the_targets_angle_is_wider_by_the_margin(margin: float, scale: float) -> None:
    angles, targets = torch.rand(8, 5) * (torch.pi - margin), torch.eye(5)[torch.randint(5, (8,))]
    expected = cross_entropy(angles_to_logits(angles + margin * targets, scale), targets)
    found = aam_softmax(angles_to_logits(angles, scale), targets, margin=margin, scale=scale)
    torch.testing.assert_close(found, expected)


def test_margin_0_is_cross_entropy_of_soft_targets_too() -> None:
    logits, targets = 30 * (2 * torch.rand(8, 5) - 1), torch.rand(8, 5).softmax(1)
    found = aam_softmax(logits, targets, margin=0.0)
    torch.testing.assert_close(found, cross_entropy(logits, targets))


def test_the_loss_rises_with_the_angle_up_to_the_opposite_direction() -> None:
    losses = []
    for angle in torch.linspace(0, torch.pi, 200):
        logits = angles_to_logits(torch.tensor([[angle, torch.pi / 2]]), 4.0)
        losses.append(aam_softmax(logits, torch.eye(2)[:1], margin=0.5, scale=4.0).item())
    assert all(low < high for low, high in pairwise(losses))


def test_a_mixed_target_has_each_margin_in_part() -> None:
    cosine, targets = torch.tensor([[0.4, 0.2, -0.3]]), torch.tensor([[0.25, 0.75, 0.0]])
    full = (cosine.acos() + 0.2).cos()
    expected = cross_entropy(30 * (cosine + targets * (full - cosine)), targets)
    torch.testing.assert_close(aam_softmax(30 * cosine, targets), expected)


@pytest.mark.parametrize("cosine", [1.0, -1.0, 0.9999999])
def test_embeddings_along_a_class_have_a_finite_gradient(cosine: float) -> None:
    logits = (30 * torch.tensor([[cosine, 0.0]])).requires_grad_()
    aam_softmax(logits, torch.eye(2)[:1]).backward()
    assert logits.grad is not None
    assert logits.grad.isfinite().all()


def test_training_with_a_margin_separates_classes_further_than_without() -> None:
    entry = HEADS.get("cosine")
    gaps = []
    for margin in (0.0, 0.5):
        torch.manual_seed(0)
        embedding = nn.Parameter(torch.randn(30, 8))
        head = entry.build(embed_dim=8, num_classes=3)
        targets = torch.eye(3).repeat(10, 1)
        optimizer = torch.optim.Adam([embedding, *head.parameters()], lr=0.05)
        for _ in range(100):
            optimizer.zero_grad()
            aam_softmax(head(embedding), targets, margin=margin).backward()
            optimizer.step()
        logits = head(embedding)
        own = logits[targets.bool()]
        gaps.append((own - logits.masked_fill(targets.bool(), -30).amax(1)).min().item())
    assert gaps[1] > gaps[0] + 1


def test_the_head_and_the_loss_agree_on_the_scale_unless_told_otherwise() -> None:
    head, loss = HEADS.get("cosine").configure(), LOSSES.get("aam_softmax").configure()
    assert head.scale == loss.scale


@pytest.mark.parametrize(
    ("head", "options", "found"),
    [("linear", {}, "no `scale`"), ("mlp", {}, "no `scale`"), ("cosine", {"scale": 16.0}, "16")],
)
def test_logits_of_another_head_are_refused(head: str, options: dict[str, Any], found: str) -> None:
    entry = HEADS.get(head)
    built = entry.build(entry.configure(**options), embed_dim=4, num_classes=3)
    loss = LOSSES.get("aam_softmax").build(num_classes=3)
    with pytest.raises(ConfigError, match=found):
        loss.check_head(built)
    loss.check_head(HEADS.get("cosine").build(embed_dim=4, num_classes=3))
