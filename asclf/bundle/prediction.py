"""What a classifier says about one clip, whatever runs it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from asclf.bundle.activation import Activation, activate
from asclf.bundle.unknown import UNKNOWN, UnknownRule
from asclf.errors import DataError

Source = str | Path | NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Prediction:
    """The scores of one clip.

    Attributes:
        label: The label with the highest score, the first of them where several share it; or
            `unknown`, where the model has a threshold and the clip is below it.
        score: The highest score, in [0, 1].
        scores: The score of every label, in the order of the label map. They sum to 1, but for a
            model of labels that may be heard together, where each stands for itself.
        clip: The file that was classified, or what else it came from.
    """

    label: str
    score: float
    scores: Mapping[str, float]
    clip: str

    @classmethod
    def from_logits(
        cls,
        logits: NDArray[np.floating[Any]],
        labels: Sequence[str],
        clip: str,
        activation: Activation = "softmax",
        unknown: UnknownRule | None = None,
    ) -> Prediction:
        """Turns the logits (C,) of one clip into scores.

        Raises:
            DataError: A logit is NaN or infinite.
        """
        check_finite(logits, clip)
        scores = dict(zip(labels, activate(logits, activation).tolist(), strict=True))
        best = max(scores, key=scores.__getitem__)
        is_unknown = unknown is not None and bool(unknown.is_unknown(logits, activation))
        return cls(UNKNOWN if is_unknown else best, scores[best], scores, clip)

    def top(self, k: int) -> list[tuple[str, float]]:
        """The `k` best labels with their scores, best first."""
        return sorted(self.scores.items(), key=lambda item: -item[1])[:k]

    def above(self, threshold: float) -> list[tuple[str, float]]:
        """The labels with a score of at least `threshold`, best first."""
        return [item for item in self.top(len(self.scores)) if item[1] >= threshold]


class Classifier(Protocol):
    """What `asclf.load` returns: a bundle or a checkpoint, ready to predict."""

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels, in the order of the logits."""
        ...

    @property
    def sample_rate(self) -> int:
        """The sample rate of the model in Hz."""
        ...

    @property
    def activation(self) -> Activation:
        """What makes scores of its logits."""
        ...

    @property
    def unknown(self) -> UnknownRule | None:
        """When it answers `unknown`, where that has been calibrated."""
        ...

    def predict(self, source: Source, sample_rate: int | None = None) -> Prediction:
        """Classifies an audio file, or samples in [−1, 1] at `sample_rate` (Hz)."""
        ...

    def embed(self, source: Source, sample_rate: int | None = None) -> NDArray[np.float32]:
        """The embedding (D,) of an audio file or of samples: what the head is given."""
        ...

    def batch_logits(self, waveforms: NDArray[np.float32]) -> NDArray[np.float32]:
        """Waveforms (B, S) at the model's sample rate → logits (B, C), in one run."""
        ...


def check_finite(logits: NDArray[np.floating[Any]], clip: str) -> None:
    """Makes sure that no logit is NaN or infinite.

    Raises:
        DataError: One is.
    """
    if not np.isfinite(logits).all():
        raise DataError(
            "the network's logits are not finite",
            where=clip,
            expected="finite numbers",
            hint="the weights are broken or of another front end",
        )
