"""The logits of scored clips: what every number and figure is computed from, and what is stored."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from asclf.data.labels import LabelMap
from asclf.errors import DataError
from asclf.files import whole_file
from asclf.score.metrics import IntArray, predicted_classes


@dataclass(frozen=True)
class Scores:
    """Clips with their logits, each clip once.

    Attributes:
        clip_ids: The N clips.
        folds: (N,) int64, the fold each clip was left out of training with; 0 for a split.
        targets: (N,) int64, the true class.
        logits: (N, C) float32.
        labels: Class names in the order of the logits.
        skipped: Clips of these folds that are in no shard, each with its reason; none of the N.

    Raises:
        DataError: A clip occurs twice: some fold was pooled with itself.
    """

    clip_ids: tuple[str, ...]
    folds: IntArray
    targets: IntArray
    logits: NDArray[np.float32]
    labels: LabelMap
    skipped: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        seen: set[str] = set()
        for clip_id in self.clip_ids:
            if clip_id in seen:
                raise DataError("this clip is scored twice", where=clip_id, expected="once")
            seen.add(clip_id)

    @property
    def correct(self) -> NDArray[np.bool_]:
        """(N,) whether the largest logit is that of the true class."""
        return np.equal(predicted_classes(self.logits), self.targets)

    def save(self, path: Path) -> None:
        """Writes an `.npz` with arrays of these names, whole or not at all."""
        with whole_file(path) as part, part.open("wb") as file:
            np.savez_compressed(
                file,
                clip_ids=np.array(self.clip_ids, dtype=np.str_),
                folds=self.folds,
                targets=self.targets,
                logits=self.logits,
                labels=np.array(self.labels.names, dtype=np.str_),
                skipped=np.array(self.skipped, dtype=np.str_),
            )

    @classmethod
    def load(cls, path: Path) -> Scores:
        """Reads what `save` wrote; nothing in it is unpickled."""
        with np.load(path, allow_pickle=False) as arrays:
            return cls(
                tuple(arrays["clip_ids"].tolist()),
                arrays["folds"],
                arrays["targets"],
                arrays["logits"],
                LabelMap(tuple(arrays["labels"].tolist())),
                tuple(arrays["skipped"].tolist()),
            )


def pool(parts: Sequence[Scores]) -> Scores:
    """The clips of several folds as one set.

    Raises:
        DataError: The parts have different labels, or share a clip.
    """
    labels = parts[0].labels
    for part in parts:
        if part.labels != labels:
            raise DataError(
                f"scores of {len(part.labels)} and of {len(labels)} classes cannot be pooled",
                expected="the same labels in every fold",
                hint="train all folds on the same shards",
            )
    return Scores(
        tuple(clip_id for part in parts for clip_id in part.clip_ids),
        np.concatenate([part.folds for part in parts]),
        np.concatenate([part.targets for part in parts]),
        np.concatenate([part.logits for part in parts]),
        labels,
        tuple(clip for part in parts for clip in part.skipped),
    )
