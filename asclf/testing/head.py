"""What every head promises."""

from __future__ import annotations

import torch
from torch import nn

from asclf.registry import Entry
from asclf.testing._tools import (
    Check,
    assert_finite,
    assert_gradients,
    assert_same,
    copy_state,
    seeded,
)

EMBED_DIM = 16
NUM_CLASSES = 5


@seeded
def check_logits_are_finite_and_of_their_number(entry: Entry) -> None:
    """(B, D) → (B, C), for one clip and several."""
    head = _build(entry).eval()
    for batch_size in (1, 3):
        logits = head(torch.randn(batch_size, EMBED_DIM))
        assert logits.shape == (batch_size, NUM_CLASSES)
        assert_finite(logits, "logits")


@seeded
def check_every_parameter_gets_a_gradient(entry: Entry) -> None:
    """In training, every parameter has part in the logits."""
    head = _build(entry).train()
    assert_gradients(head, head(torch.randn(3, EMBED_DIM)))


@seeded
def check_evaluation_is_deterministic_and_of_one_clip(entry: Entry) -> None:
    """In eval mode a clip's logits are those that it has alone, every time."""
    head, embedding = _build(entry).eval(), torch.randn(3, EMBED_DIM)
    together = head(embedding)
    assert_same(head(embedding), together, "two calls with one embedding")
    assert_same(head(embedding[1:2]), together[1:2], "a clip alone and in a batch", 1e-5)


@seeded
def check_state_round_trip(entry: Entry) -> None:
    """Weights saved and loaded into a fresh one give the same logits."""
    head, other = _build(entry).eval(), _build(entry).eval()
    copy_state(head, other)
    embedding = torch.randn(2, EMBED_DIM)
    assert_same(other(embedding), head(embedding), "after loading and before saving")


def _build(entry: Entry) -> nn.Module:
    head = entry.build(embed_dim=EMBED_DIM, num_classes=NUM_CLASSES)
    assert isinstance(head, nn.Module), f"{type(head)} is no nn.Module"
    return head


CHECKS: tuple[Check, ...] = (
    check_logits_are_finite_and_of_their_number,
    check_every_parameter_gets_a_gradient,
    check_evaluation_is_deterministic_and_of_one_clip,
    check_state_round_trip,
)
