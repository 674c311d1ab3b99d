"""Binary cross-entropy: each class for itself, for clips with several labels or none."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from asclf.config import component_config
from asclf.registry import LOSSES


@component_config
class BceConfig:
    """Options of `bce`."""

    label_smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Part by which each target is drawn towards one half."""


@LOSSES.register("bce", BceConfig)
class Bce(nn.Module):
    """−target · log σ(logit) − (1 − target) · log σ(−logit), the mean over classes and batch."""

    multi_label = True

    def __init__(self, config: BceConfig, *, num_classes: int) -> None:  # noqa: ARG002
        super().__init__()
        self.label_smoothing = config.label_smoothing

    def forward(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Logits (B, C), targets (B, C) in [0, 1], multi-hot or mixed → ()."""
        targets = targets + self.label_smoothing * (0.5 - targets)
        return functional.binary_cross_entropy_with_logits(logits, targets)
