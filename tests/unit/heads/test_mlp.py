from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from asclf.registry import HEADS


def mlp(embed_dim: int, num_classes: int, **options: Any) -> nn.Module:
    entry = HEADS.get("mlp")
    head = entry.build(entry.configure(**options), embed_dim=embed_dim, num_classes=num_classes)
    assert isinstance(head, nn.Module)
    return head


@pytest.mark.parametrize(
    ("activation", "reference"),
    [
        ("relu", nn.functional.relu),
        ("gelu", nn.functional.gelu),
        ("silu", nn.functional.silu),
        ("hardswish", nn.functional.hardswish),
    ],
)
def test_mlp_is_two_affine_maps_with_an_activation_between(activation: str, reference: Any) -> None:
    head = mlp(7, 3, hidden_dim=5, activation=activation).eval()
    embedding = torch.randn(4, 7)
    first, last = head.hidden, head.output
    hidden = reference(embedding @ first.weight.T + first.bias)
    torch.testing.assert_close(head(embedding), hidden @ last.weight.T + last.bias)


@pytest.mark.parametrize(
    ("embed_dim", "num_classes", "expected"), [(384, 527, 467_471), (960, 50, 1_294_130)]
)
def test_by_default_it_has_the_parameters_of_efficientats_classifier(
    embed_dim: int, num_classes: int, expected: int
) -> None:
    with torch.device("meta"):
        head = mlp(embed_dim, num_classes)
    assert sum(parameter.numel() for parameter in head.parameters()) == expected


def test_mlp_drops_hidden_units_in_training_only() -> None:
    head, embedding = mlp(50, 3), torch.randn(2, 50)
    assert not torch.equal(head(embedding), head(embedding))
    head.eval()
    assert torch.equal(head(embedding), head(embedding))
