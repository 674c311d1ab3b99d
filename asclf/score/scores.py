"""The logits of scored clips: what every number and figure is computed from, and what is stored."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from asclf.bundle.activation import Activation
from asclf.data.labels import LabelMap
from asclf.errors import DataError
from asclf.files import whole_file
from asclf.score.metrics import BoolArray, IntArray, predicted_classes


@dataclass(frozen=True)
class Scores:
    """Clips with their labels and logits, each clip once.

    Attributes:
        clip_ids: The N clips.
        folds: (N,) int64, the fold each clip was left out of training with; 0 for a split.
        targets: (N, C) bool, the labels that each clip has.
        logits: (N, C) float32; where several views of a clip were taken, their mean.
        labels: Class names in the order of the logits.
        skipped: Clips of these folds that are in no shard, each with its reason; none of the N.
        source_ids: The recording that each clip was cut from, where that is known.
        activation: `sigmoid` where a clip may have several labels or none, else `softmax`.
        views: Views of each clip that were taken; 1 is the clip as it is.

    Raises:
        DataError: A clip occurs twice (some fold was pooled with itself), or has several labels or
            none though they exclude one another.
    """

    clip_ids: tuple[str, ...]
    folds: IntArray
    targets: BoolArray
    logits: NDArray[np.float32]
    labels: LabelMap
    skipped: tuple[str, ...] = ()
    source_ids: tuple[str | None, ...] = ()
    activation: Activation = "softmax"
    views: int = 1

    def __post_init__(self) -> None:
        seen: set[str] = set()
        for clip_id in self.clip_ids:
            if clip_id in seen:
                raise DataError("this clip is scored twice", where=clip_id, expected="once")
            seen.add(clip_id)
        if not self.multi_label:
            self._check_exclusive()

    def _check_exclusive(self) -> None:
        for clip_id, count in zip(self.clip_ids, self.targets.sum(axis=1).tolist(), strict=True):
            if count != 1:
                raise DataError(
                    f"it has {count} labels",
                    where=clip_id,
                    expected="one label a clip, so that a prediction is right or wrong",
                    hint="for clips with several labels or none, train with `loss: {type: bce}`",
                )

    @property
    def multi_label(self) -> bool:
        """Whether a clip may have several labels or none."""
        return self.activation == "sigmoid"

    @property
    def decisions(self) -> BoolArray:
        """(N, C) the labels that are given: those with a score of at least 0.5, or the best one."""
        if self.multi_label:
            return np.greater_equal(self.logits, 0)
        return one_hot(predicted_classes(self.logits), len(self.labels))

    @property
    def correct(self) -> BoolArray:
        """(N,) whether the labels that are given are those that the clip has, all and no other."""
        return np.asarray((self.decisions == self.targets).all(axis=1))

    @property
    def classes(self) -> IntArray:
        """(N,) the true class, where labels exclude one another."""
        return np.asarray(self.targets.argmax(axis=1), dtype=np.int64)

    @property
    def sources(self) -> IntArray:
        """(N,) the number of each clip's source; a clip of no known source is one of its own."""
        pairs = zip(self.clip_ids, self.source_ids or (None,) * len(self.clip_ids), strict=True)
        names = [f"clip {clip}" if source is None else f"source {source}" for clip, source in pairs]
        numbers: IntArray = np.unique(names, return_inverse=True)[1].astype(np.int64)
        return numbers

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
                source_ids=np.array([source or "" for source in self.source_ids], dtype=np.str_),
                activation=np.array(self.activation),
                views=np.array(self.views),
            )

    @classmethod
    def load(cls, path: Path) -> Scores:
        """Reads what `save` wrote, in the form of 0.1 as well; nothing in it is unpickled.

        Raises:
            DataError: It is not there, or holds something else.
        """
        try:
            with np.load(path, allow_pickle=False) as arrays:
                return cls(**_fields({name: arrays[name] for name in arrays.files}))
        except OSError as error:
            hint = "score the experiment first: asclf score"
            raise DataError(
                f"cannot be read: {error.strerror or error}", where=path, hint=hint
            ) from error
        except (KeyError, ValueError, EOFError, zipfile.BadZipFile) as error:
            hint = "score the experiment again"
            raise DataError(f"these are no scores: {error}", where=path, hint=hint) from error


def _fields(arrays: Mapping[str, NDArray[Any]]) -> dict[str, Any]:
    labels = LabelMap(tuple(arrays["labels"].tolist()))
    targets = arrays["targets"]
    return {
        "clip_ids": tuple(arrays["clip_ids"].tolist()),
        "folds": arrays["folds"],
        "targets": targets if targets.ndim == 2 else one_hot(targets, len(labels)),
        "logits": arrays["logits"],
        "labels": labels,
        "skipped": tuple(arrays["skipped"].tolist()),
        "source_ids": tuple(source or None for source in arrays.get("source_ids", ())),
        "activation": str(arrays.get("activation", "softmax")),
        "views": int(arrays.get("views", 1)),
    }


def one_hot(classes: IntArray, num_classes: int) -> BoolArray:
    """Classes (N,) as labels (N, C), one of each clip."""
    return np.equal(classes[:, np.newaxis], np.arange(num_classes))


def pool(parts: Sequence[Scores]) -> Scores:
    """The clips of several folds as one set.

    Raises:
        DataError: The parts have different labels, or share a clip.
    """
    first = parts[0]
    for part in parts:
        if part.labels != first.labels:
            raise DataError(
                f"scores of {len(part.labels)} and of {len(first.labels)} classes cannot be pooled",
                expected="the same labels in every fold",
                hint="train all folds on the same shards",
            )
    return replace(
        first,
        clip_ids=tuple(clip_id for part in parts for clip_id in part.clip_ids),
        folds=np.concatenate([part.folds for part in parts]),
        targets=np.concatenate([part.targets for part in parts]),
        logits=np.concatenate([part.logits for part in parts]),
        skipped=tuple(clip for part in parts for clip in part.skipped),
        source_ids=tuple(source for part in parts for source in part.source_ids),
    )
