"""The head of two layers: a hidden layer between embedding and logits."""

from __future__ import annotations

from typing import Annotated, Literal, cast

from pydantic import Field, PositiveInt
from torch import Tensor, nn

from asclf.config import component_config
from asclf.registry import HEADS

Activation = Literal["relu", "gelu", "silu", "hardswish"]

ACTIVATIONS: dict[Activation, type[nn.Module]] = {
    "relu": nn.ReLU,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
    "hardswish": nn.Hardswish,
}


@component_config
class MlpConfig:
    """Options of `mlp`; the defaults are MobileNetV3's and EfficientAT's."""

    hidden_dim: PositiveInt | None = None
    """Width of the hidden layer; `null` takes 4/3 of the embedding, as 1280 of 960 there."""
    activation: Activation = "hardswish"
    """What follows the hidden layer."""
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.2
    """Part of the hidden layer's output that is dropped in training."""


@HEADS.register("mlp", MlpConfig)
class Mlp(nn.Module):
    """embedding (B, D) → linear → activation → dropout → linear → logits (B, C).

    Source: the classifier of Howard et al., "Searching for MobileNetV3" (arXiv 1905.02244), as
    EfficientAT (github.com/fschmid56/EfficientAT, MIT) keeps it.
    """

    def __init__(self, config: MlpConfig, *, embed_dim: int, num_classes: int) -> None:
        super().__init__()
        hidden_dim = config.hidden_dim or embed_dim * 4 // 3
        self.hidden = nn.Linear(embed_dim, hidden_dim)
        self.activation = ACTIVATIONS[config.activation]()
        self.dropout = nn.Dropout(config.dropout)
        self.output = nn.Linear(hidden_dim, num_classes)

    def forward(self, embedding: Tensor) -> Tensor:
        """(B, D) → logits (B, C)."""
        hidden = self.activation(self.hidden(embedding))  # (B, H)
        return cast(Tensor, self.output(self.dropout(hidden)))
