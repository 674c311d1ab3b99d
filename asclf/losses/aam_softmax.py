"""Additive angular margin softmax (ArcFace): a clip must be nearer to its class by a margin."""

from __future__ import annotations

import math
from typing import Annotated

import torch
from pydantic import Field, PositiveFloat
from torch import Tensor, nn
from torch.nn import functional

from asclf.config import component_config
from asclf.errors import ConfigError
from asclf.protocols import Head
from asclf.registry import LOSSES

SMALLEST = 1e-12
"""Bound of a squared sine from below: at 0 a root has no gradient."""


@component_config
class AamSoftmaxConfig:
    """Options of `aam_softmax`."""

    margin: Annotated[float, Field(ge=0, lt=math.pi / 2)] = 0.2
    """Angle in radians that is added to the one between a clip and its class."""
    scale: PositiveFloat = 30.0
    """The `scale` of the `cosine` head."""


@LOSSES.register("aam_softmax", AamSoftmaxConfig)
class AamSoftmax(nn.Module):
    """Cross-entropy with s · cos(θ + m) in place of the target's s · cos θ.

    Source: Deng et al., ArcFace (arXiv 1801.07698), equation 3. It needs the head `cosine`, whose
    logits are s · cos θ with the same s; what lies outside [−s, s] is taken for ±s. The margin acts
    here alone: the head gives the same logits in training and in use, and ranking by them
    is ranking by cosine. A margin of 0 gives plain cross-entropy of the head's logits.

    Past θ = π − m, where cos(θ + m) would rise again, cos θ − m · sin m takes its place, as in the
    authors' code. A class gets the margin in proportion to its part of a mixed target.
    """

    def __init__(self, config: AamSoftmaxConfig, *, num_classes: int) -> None:  # noqa: ARG002
        super().__init__()
        self.margin = config.margin
        self.scale = config.scale

    def check_head(self, head: Head) -> None:
        """Makes sure that a head's logits are s · cos θ.

        Raises:
            ConfigError: It has no `scale`, or another.
        """
        scale = getattr(head, "scale", None)
        if scale != self.scale:
            found = "no `scale`" if scale is None else f"the scale {scale:g}"
            raise ConfigError(
                f"the loss aam_softmax gets logits of a head with {found}",
                where="`head`",
                expected=f"{{type: cosine, scale: {self.scale:g}}}",
                hint="or set loss.scale to the head's",
            )

    def forward(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Logits (B, C) of a `cosine` head, targets (B, C) whose rows sum to 1 → ()."""
        cosine = (logits / self.scale).clamp(-1, 1)
        penalised = torch.lerp(cosine, self._with_margin(cosine), targets)  # (B, C)
        return functional.cross_entropy(self.scale * penalised, targets)

    def _with_margin(self, cosine: Tensor) -> Tensor:
        """cos θ → cos(θ + m), element by element."""
        sine = (1 - cosine.square()).clamp(min=SMALLEST).sqrt()
        wider = cosine * math.cos(self.margin) - sine * math.sin(self.margin)
        return wider.where(
            cosine > -math.cos(self.margin), cosine - self.margin * math.sin(self.margin)
        )
