"""Logits to scores in [0, 1]: softmax where one label is right, sigmoid where several may be."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Activation = Literal["softmax", "sigmoid"]

FloatArray = NDArray[np.float64]


def activate(logits: NDArray[np.floating[Any]], activation: Activation) -> FloatArray:
    """Logits (…, C) to scores (…, C) in [0, 1]."""
    return softmax(logits) if activation == "softmax" else sigmoid(logits)


def softmax(logits: NDArray[np.floating[Any]]) -> FloatArray:
    """Logits (…, C) to scores (…, C) that sum to 1, in float64 and without overflow."""
    shifted = logits.astype(np.float64) - logits.max(axis=-1, keepdims=True)
    powers = np.exp(shifted)
    scores: FloatArray = powers / powers.sum(axis=-1, keepdims=True)
    return scores


def sigmoid(logits: NDArray[np.floating[Any]]) -> FloatArray:
    """Logits to scores, each for itself, in float64 and without overflow."""
    scores: FloatArray = 0.5 * (1 + np.tanh(logits.astype(np.float64) / 2))
    return scores
