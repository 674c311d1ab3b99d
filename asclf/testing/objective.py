"""What every objective promises."""

from __future__ import annotations

import torch

from asclf.data.labels import LabelMap
from asclf.data.shard_index import ShardIndex, ShardInfo
from asclf.data.training_set import TrainingSet
from asclf.protocols import Batch, Objective
from asclf.registry import LOSSES, Entry
from asclf.testing._tools import Check, assert_finite, assert_same, seeded

LABELS = LabelMap(("a", "b", "c"))
SAMPLE_RATE = 8000
SHARD = ShardInfo("all-00000.tar", None, None, 3, 3 * SAMPLE_RATE, 1, 64 * "0")
DATA = TrainingSet(
    ShardIndex(
        sample_rate=SAMPLE_RATE,
        clips_per_shard=3,
        manifest_hash=64 * "0",
        labels=LABELS,
        shards=(SHARD,),
    ),
    (SHARD,),
    None,
)


@seeded
def check_one_finite_number_with_a_gradient(entry: Entry) -> None:
    """Logits of a batch give one number that can be trained on."""
    logits = torch.randn(3, len(LABELS), requires_grad=True)
    value = _build(entry)(logits, _batch())
    assert value.shape == ()
    assert_finite(value.detach(), "the objective")
    value.backward()  # type: ignore[no-untyped-call]
    assert logits.grad is not None
    assert_finite(logits.grad, "its gradient")
    assert logits.grad.any(), "its gradient is 0"


@seeded
def check_depends_on_its_arguments_alone(entry: Entry) -> None:
    """Asked again it says the same, and it leaves the batch as it was."""
    objective, batch, logits = _build(entry), _batch(), torch.randn(3, len(LABELS))
    before = batch.waveform.clone(), batch.targets.clone()
    assert_same(objective(logits, batch), objective(logits, batch), "asked twice")
    assert torch.equal(before[0], batch.waveform), "it changes the waveform"
    assert torch.equal(before[1], batch.targets), "it changes the targets"


def _build(entry: Entry) -> Objective:
    loss = LOSSES.get("cross_entropy").build(num_classes=len(LABELS))
    objective: Objective = entry.build(loss=loss, data=DATA)
    return objective


def _batch() -> Batch:
    return Batch(torch.randn(3, SAMPLE_RATE), None, torch.eye(len(LABELS)), ("x", "y", "z"))


CHECKS: tuple[Check, ...] = (
    check_one_finite_number_with_a_gradient,
    check_depends_on_its_arguments_alone,
)
