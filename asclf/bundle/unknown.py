"""When a classifier answers `unknown`: a threshold on how certain its logits are.

A network has seen its own classes alone, and calls every other sound by one of their names. Where
the logits of a clip fall below the threshold that was calibrated on sounds of both kinds, the
answer is `unknown`.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import numpy as np
import pydantic
from numpy.typing import NDArray
from pydantic import Field, NonNegativeInt
from pydantic.dataclasses import dataclass

from asclf.bundle.activation import Activation, FloatArray, activate
from asclf.config.component import STRICT

UNKNOWN = "unknown"

Method = Literal["energy", "probability"]
Share = Annotated[float, Field(ge=0, le=1)]


@dataclass(frozen=True, kw_only=True, config=STRICT)
class UnknownReport:
    """How well known and unknown clips are told apart, on clips that set no threshold."""

    known: NonNegativeInt
    """Clips of the classes of the model."""
    known_kept: NonNegativeInt
    """Of these, those at or above the threshold."""
    unknown: NonNegativeInt
    """Clips of other sounds."""
    unknown_kept: NonNegativeInt
    """Of these, those at or above the threshold: the misses."""
    auroc: Share
    """Share of pairs of a known and an unknown clip in which the known one is the more certain."""
    auroc_95: tuple[Share, Share]
    """Its 95 % interval."""
    fpr_at_95: Share
    """Share of unknown clips kept by the threshold that keeps 95 % of the known ones here."""


@dataclass(frozen=True, kw_only=True, config=STRICT)
class UnknownRule:
    """The threshold of a bundle, and where it comes from."""

    method: Method
    threshold: float
    """Certainty below which a clip is `unknown`."""
    chosen_by: str
    """What the threshold was chosen to do."""
    known: NonNegativeInt
    """Clips of the classes of the model that it was chosen on."""
    unknown: NonNegativeInt
    """Clips of other sounds that it was chosen on."""
    report: UnknownReport

    @pydantic.model_validator(mode="after")
    def _check_scale(self) -> UnknownRule:
        if self.method == "probability" and not 0 <= self.threshold <= 1:
            raise ValueError("a threshold of probabilities lies in [0, 1]")
        return self

    def is_unknown(
        self, logits: NDArray[np.floating[Any]], activation: Activation
    ) -> NDArray[np.bool_]:
        """Whether clips are below the threshold, logits (…, C) → (…)."""
        return np.less(certainty(logits, activation, self.method), self.threshold)


def certainty(
    logits: NDArray[np.floating[Any]], activation: Activation, method: Method
) -> FloatArray:
    """How sure a network is that a clip is of its classes at all, logits (…, C) → (…).

    `probability` is the largest score (Hendrycks and Gimpel, ICLR 2017, arXiv:1610.02136).
    `energy` is the negative free energy, log Σ exp(logit) (Liu et al., Energy-based
    out-of-distribution detection, NeurIPS 2020, equation 4 at temperature 1); for labels that may
    be heard together it is Σ log(1 + exp(logit)) (Wang et al., Can multi-label classification
    networks know what they don't know?, NeurIPS 2021).
    """
    if method == "probability":
        return np.asarray(activate(logits, activation).max(axis=-1))
    exact = logits.astype(np.float64)
    if activation == "sigmoid":
        return np.asarray(np.logaddexp(0.0, exact).sum(axis=-1))
    return np.asarray(np.logaddexp.reduce(exact, axis=-1))
