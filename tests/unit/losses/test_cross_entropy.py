from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from asclf.registry import LOSSES


def cross_entropy(logits: Tensor, targets: Tensor, label_smoothing: float) -> Tensor:
    entry = LOSSES.get("cross_entropy")
    loss = entry.build(
        entry.configure(label_smoothing=label_smoothing), num_classes=targets.shape[1]
    )
    value = loss(logits, targets)
    assert isinstance(value, Tensor)
    return value


@pytest.mark.parametrize("label_smoothing", [0.0, 0.1])
def test_one_hot_targets_give_what_torch_gives_for_indices(label_smoothing: float) -> None:
    logits, indices = torch.randn(8, 5), torch.randint(5, (8,))
    expected = nn.CrossEntropyLoss(label_smoothing=label_smoothing)(logits, indices)
    torch.testing.assert_close(
        cross_entropy(logits, torch.eye(5)[indices], label_smoothing), expected
    )


@pytest.mark.parametrize("label_smoothing", [0.0, 0.1])
def test_soft_targets_follow_the_definition(label_smoothing: float) -> None:
    logits, targets = torch.randn(8, 5), torch.rand(8, 5).softmax(1)
    smooth = (1 - label_smoothing) * targets + label_smoothing / 5
    expected = -(smooth * logits.log_softmax(1)).sum(1).mean()
    torch.testing.assert_close(cross_entropy(logits, targets, label_smoothing), expected)


def test_mixed_targets_give_the_mixed_loss() -> None:
    logits = torch.randn(1, 4)
    first, second = torch.eye(4)[:1], torch.eye(4)[1:2]
    mixed = cross_entropy(logits, 0.3 * first + 0.7 * second, 0.1)
    expected = 0.3 * cross_entropy(logits, first, 0.1) + 0.7 * cross_entropy(logits, second, 0.1)
    torch.testing.assert_close(mixed, expected)


def test_smoothing_is_a_tenth_where_nothing_is_said() -> None:
    assert LOSSES.get("cross_entropy").configure().label_smoothing == 0.1
