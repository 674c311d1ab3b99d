"""Cross-entropy with label smoothing, on soft targets."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from asclf.config import component_config
from asclf.registry import LOSSES


@component_config
class CrossEntropyConfig:
    """Options of `cross_entropy`."""

    label_smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.1
    """Part of each target that is spread evenly over all classes (SpectroMaskNet's is 0.1)."""


@LOSSES.register("cross_entropy", CrossEntropyConfig)
class CrossEntropy(nn.Module):
    """−Σ target · log softmax(logits), the mean over the batch; targets may be mixed."""

    def __init__(self, config: CrossEntropyConfig, *, num_classes: int) -> None:  # noqa: ARG002
        super().__init__()
        self.label_smoothing = config.label_smoothing

    def forward(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Logits (B, C), targets (B, C) whose rows sum to 1 → ()."""
        return functional.cross_entropy(logits, targets, label_smoothing=self.label_smoothing)
