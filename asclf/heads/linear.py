"""The linear head: one affine map from embedding to logits."""

from __future__ import annotations

from typing import Annotated, cast

from pydantic import Field
from torch import Tensor, nn

from asclf.config import component_config
from asclf.registry import HEADS


@component_config
class LinearConfig:
    """Options of `linear`."""

    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Part of the embedding that is dropped in training."""


@HEADS.register("linear", LinearConfig)
class Linear(nn.Module):
    """embedding (B, D) → dropout → logits (B, C)."""

    def __init__(self, config: LinearConfig, *, embed_dim: int, num_classes: int) -> None:
        super().__init__()
        self.dropout = nn.Dropout(config.dropout)
        self.output = nn.Linear(embed_dim, num_classes)

    def forward(self, embedding: Tensor) -> Tensor:
        """(B, D) → logits (B, C)."""
        return cast(Tensor, self.output(self.dropout(embedding)))
