"""Focal loss: cross-entropy in which what is classified well counts for little."""

from __future__ import annotations

import torch
from pydantic import NonNegativeFloat
from torch import Tensor, nn

from asclf.config import component_config
from asclf.registry import LOSSES

SMALLEST = torch.finfo(torch.float32).tiny
"""Bound of 1 − p from below: at 0 a power under 1 has no gradient."""


@component_config
class FocalConfig:
    """Options of `focal`."""

    gamma: NonNegativeFloat = 2.0
    """How strongly what is classified well is played down; 0 gives cross-entropy."""


@LOSSES.register("focal", FocalConfig)
class Focal(nn.Module):
    """−Σ target · (1 − p)^γ · log p with p = softmax(logits), the mean over the batch.

    Source: Lin et al. (arXiv 1708.02002), equation 4, over softmax in place of a sigmoid, since the
    classes here exclude one another. Its α, which weighs object against background, has nothing to
    weigh here. The sum over classes makes the loss of mixed targets the mixed loss.
    """

    def __init__(self, config: FocalConfig, *, num_classes: int) -> None:  # noqa: ARG002
        super().__init__()
        self.gamma = config.gamma

    def forward(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Logits (B, C), targets (B, C) whose rows sum to 1 → ()."""
        log_p = logits.log_softmax(dim=1)
        rest = -torch.expm1(log_p)  # 1 − p, exact where p is nearly 1
        weight = rest.clamp(min=SMALLEST) ** self.gamma
        return -(targets * weight * log_p).sum(dim=1).mean()
