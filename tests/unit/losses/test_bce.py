from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from asclf.config.experiment import bind_experiment
from asclf.config.yaml import parse_yaml
from asclf.registry import LOSSES


def bce(logits: Tensor, targets: Tensor, **options: Any) -> Tensor:
    entry = LOSSES.get("bce")
    value = entry.build(entry.configure(**options), num_classes=targets.shape[1])(logits, targets)
    assert isinstance(value, Tensor)
    return value


@pytest.mark.parametrize("label_smoothing", [0.0, 0.1])
def test_bce_follows_its_definition_for_several_labels_and_none(label_smoothing: float) -> None:
    logits = torch.randn(8, 5)
    targets = torch.randint(2, (8, 5)).float()
    targets[0] = 0
    smooth = (1 - label_smoothing) * targets + label_smoothing / 2
    p = logits.sigmoid()
    expected = -(smooth * p.log() + (1 - smooth) * (1 - p).log()).mean()
    torch.testing.assert_close(bce(logits, targets, label_smoothing=label_smoothing), expected)


def test_bce_of_mixed_targets_is_the_mixed_loss() -> None:
    logits = torch.randn(1, 4)
    first, second = torch.tensor([[1.0, 1, 0, 0]]), torch.tensor([[0.0, 1, 1, 0]])
    mixed = bce(logits, 0.3 * first + 0.7 * second, label_smoothing=0.1)
    losses = [bce(logits, targets, label_smoothing=0.1) for targets in (first, second)]
    torch.testing.assert_close(mixed, 0.3 * losses[0] + 0.7 * losses[1])


def test_smoothed_targets_keep_logits_finite() -> None:
    logits = torch.tensor([[20.0, -20.0]], requires_grad=True)
    bce(logits, torch.tensor([[1.0, 0.0]]), label_smoothing=0.2).backward()
    assert logits.grad is not None
    assert logits.grad[0, 0] > 0 > logits.grad[0, 1]


def test_bce_alone_makes_an_experiment_multi_label() -> None:
    multi_label = {
        name
        for name in ("aam_softmax", "bce", "cross_entropy", "focal")
        if bind_experiment(
            parse_yaml(f"{{backbone: {{type: tdnn}}, loss: {{type: {name}}}}}", "x.yaml")
        ).multi_label
    }
    assert multi_label == {"bce"}
