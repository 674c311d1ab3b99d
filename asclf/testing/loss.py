"""What every loss promises."""

from __future__ import annotations

import torch

from asclf.protocols import Loss
from asclf.registry import Entry
from asclf.testing._tools import Check, assert_finite, assert_same, seeded

NUM_CLASSES = 5


@seeded
def check_one_finite_number_with_a_gradient(entry: Entry) -> None:
    """Logits and targets, mixed ones too, give one number that can be trained on."""
    logits = torch.randn(4, NUM_CLASSES, requires_grad=True)
    value = _build(entry)(logits, torch.rand(4, NUM_CLASSES).softmax(1))
    assert value.shape == ()
    assert_finite(value.detach(), "the loss")
    value.backward()  # type: ignore[no-untyped-call]
    assert logits.grad is not None
    assert_finite(logits.grad, "its gradient")
    assert logits.grad.any(), "its gradient is 0"


@seeded
def check_extreme_logits(entry: Entry) -> None:
    """Very sure logits, right or wrong, give a finite loss; right ones the smaller."""
    loss, targets = _build(entry), torch.eye(NUM_CLASSES)
    right, wrong = loss(100 * targets, targets), loss(-100 * targets, targets)
    assert_finite(torch.stack([right, wrong]), "the loss of very sure logits")
    assert right < wrong


@seeded
def check_is_a_mean_over_clips(entry: Entry) -> None:
    """The loss of a batch is the mean of the losses of its clips."""
    loss = _build(entry)
    logits, targets = torch.randn(4, NUM_CLASSES), torch.eye(NUM_CLASSES)[:4]
    single = [loss(logits[i : i + 1], targets[i : i + 1]) for i in range(4)]
    assert_same(loss(logits, targets), torch.stack(single).mean(), "of a batch, of clips", 1e-5)


def _build(entry: Entry) -> Loss:
    loss: Loss = entry.build(num_classes=NUM_CLASSES)
    return loss


CHECKS: tuple[Check, ...] = (
    check_one_finite_number_with_a_gradient,
    check_extreme_logits,
    check_is_a_mean_over_clips,
)
