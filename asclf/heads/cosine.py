"""The cosine head: how near an embedding's direction is to that of each class."""

from __future__ import annotations

import torch
from pydantic import PositiveFloat
from torch import Tensor, nn
from torch.nn import functional

from asclf.config import component_config
from asclf.registry import HEADS


@component_config
class CosineConfig:
    """Options of `cosine`."""

    scale: PositiveFloat = 30.0
    """What cosines are multiplied by to give logits; softmax over bare cosines is nearly flat."""


@HEADS.register("cosine", CosineConfig)
class Cosine(nn.Module):
    """embedding (B, D) → scale · cos ∠(embedding, weight of each class) = logits (B, C).

    For the loss `aam_softmax`, which widens the angle to a clip's own class in training. The head
    gives the same logits in training and in use, and the scale is part of it: so scores, reports
    and exported bundles need not know which loss it was trained with. With `cross_entropy` it is a
    normalised softmax (NormFace, arXiv 1704.06369).
    """

    def __init__(self, config: CosineConfig, *, embed_dim: int, num_classes: int) -> None:
        super().__init__()
        self.scale = config.scale
        self.weight = nn.Parameter(torch.empty(num_classes, embed_dim))
        nn.init.xavier_normal_(self.weight)

    def forward(self, embedding: Tensor) -> Tensor:
        """(B, D) → logits (B, C) in [−scale, scale]; those of a zero embedding are 0."""
        directions = functional.normalize(self.weight, dim=1)  # (C, D)
        return self.scale * functional.linear(functional.normalize(embedding, dim=1), directions)
