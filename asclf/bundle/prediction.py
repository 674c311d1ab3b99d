"""What a classifier says about one clip, whatever runs it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from asclf.errors import DataError

Source = str | Path | NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Prediction:
    """The scores of one clip.

    Attributes:
        label: The label with the highest score; the first of them where several share it.
        score: Its score, in [0, 1].
        scores: The score of every label, in the order of the label map; they sum to 1.
        clip: The file that was classified, or what else it came from.
    """

    label: str
    score: float
    scores: Mapping[str, float]
    clip: str

    @classmethod
    def from_logits(
        cls, logits: NDArray[np.floating[Any]], labels: Sequence[str], clip: str
    ) -> Prediction:
        """Turns the logits (C,) of one clip into scores.

        Raises:
            DataError: A logit is NaN or infinite.
        """
        if not np.isfinite(logits).all():
            raise DataError(
                "the network's logits are not finite",
                where=clip,
                expected="finite numbers",
                hint="the weights are broken or of another front end",
            )
        scores = dict(zip(labels, softmax(logits).tolist(), strict=True))
        label = max(scores, key=scores.__getitem__)
        return cls(label, scores[label], scores, clip)

    def top(self, k: int) -> list[tuple[str, float]]:
        """The `k` best labels with their scores, best first."""
        return sorted(self.scores.items(), key=lambda item: -item[1])[:k]


class Classifier(Protocol):
    """What `asclf.load` returns: a bundle or a checkpoint, ready to predict."""

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels, in the order of the logits."""
        ...

    def predict(self, source: Source, sample_rate: int | None = None) -> Prediction:
        """Classifies an audio file, or samples in [−1, 1] at `sample_rate` (Hz)."""
        ...


def softmax(logits: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    """Logits (…, C) to scores (…, C) that sum to 1, in float64 and without overflow."""
    shifted = logits.astype(np.float64) - logits.max(axis=-1, keepdims=True)
    powers = np.exp(shifted)
    scores: NDArray[np.float64] = powers / powers.sum(axis=-1, keepdims=True)
    return scores
