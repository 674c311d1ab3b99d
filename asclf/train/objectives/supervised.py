"""Learning from the clips' own labels."""

from __future__ import annotations

from torch import Tensor, nn

from asclf.config import component_config
from asclf.data.training_set import TrainingSet
from asclf.protocols import Batch, Loss
from asclf.registry import OBJECTIVES


@component_config
class SupervisedConfig:
    """`supervised` has no options of its own; the loss is `loss`."""


@OBJECTIVES.register("supervised", SupervisedConfig)
class Supervised(nn.Module):
    """The loss between logits and targets.

    Args:
        config: No options.
        loss: Logits and targets to one number.
        data: What the run trains on.
    """

    def __init__(
        self,
        config: SupervisedConfig,  # noqa: ARG002
        *,
        loss: Loss,
        data: TrainingSet,  # noqa: ARG002
    ) -> None:
        super().__init__()
        self.loss = loss

    def forward(self, logits: Tensor, batch: Batch) -> Tensor:
        """Logits (B, C) of a batch → (), the mean over its clips."""
        return self.loss(logits, batch.targets)
