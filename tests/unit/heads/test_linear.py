from __future__ import annotations

import torch

from asclf.registry import HEADS


def test_linear_is_one_affine_map() -> None:
    head = HEADS.get("linear").build(embed_dim=7, num_classes=3)
    embedding = torch.randn(4, 7)
    expected = embedding @ head.output.weight.T + head.output.bias
    torch.testing.assert_close(head(embedding), expected)
    assert sum(parameter.numel() for parameter in head.parameters()) == (7 + 1) * 3


def test_dropout_acts_in_training_only() -> None:
    entry = HEADS.get("linear")
    head = entry.build(entry.configure(dropout=0.5), embed_dim=50, num_classes=3)
    embedding = torch.randn(2, 50)
    assert not torch.equal(head(embedding), head(embedding))
    head.eval()
    assert torch.equal(head(embedding), head(embedding))
