"""A teacher's logits, computed once for each clip and kept beside the shards."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from asclf.data.clipset import score_batches
from asclf.data.labels import LabelMap
from asclf.data.shard_index import ShardIndex, ShardInfo
from asclf.data.shard_reader import read_samples
from asclf.errors import DataError
from asclf.files import sha256_of, whole_file
from asclf.train.teacher import ask, load_teacher

FOLDER = "teachers"
BATCH_SIZE = 8

logger = logging.getLogger(__name__)


class StoredLogits:
    """Logits (C,) of clips by their ids, in one file for each teacher, shards and classes.

    Args:
        path: An `.npz` that `compute` wrote, or will.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._rows: dict[str, Tensor] = {}
        if path.is_file():
            with np.load(path, allow_pickle=False) as arrays:
                logits = torch.from_numpy(arrays["logits"])
                self._rows = dict(zip(arrays["clip_ids"].tolist(), logits, strict=True))

    def add(self, clip_ids: Sequence[str], logits: Tensor) -> None:
        """Adds the logits (B, C) of clips."""
        self._rows.update(zip(clip_ids, logits, strict=True))

    def save(self) -> None:
        """Writes the file, whole or not at all."""
        self.path.parent.mkdir(exist_ok=True)
        with whole_file(self.path) as part, part.open("wb") as file:
            logits = torch.stack(list(self._rows.values())).numpy()  # (N, C)
            np.savez_compressed(file, clip_ids=np.array(list(self._rows)), logits=logits)

    def __contains__(self, clip_id: str) -> bool:
        return clip_id in self._rows

    def of(self, clip_ids: Iterable[str]) -> Tensor:
        """(B, C) for B clips.

        Raises:
            DataError: A clip is not among them.
        """
        try:
            return torch.stack([self._rows[clip_id] for clip_id in clip_ids])
        except KeyError as error:
            raise DataError(
                "the teacher never heard this clip",
                where=error.args[0],
                expected=f"its logits in {self.path}",
                hint="delete that file; or the teacher's shards are of other clips",
            ) from error


def teach(
    weights: Path, labels: LabelMap, index: ShardIndex, shards: Sequence[ShardInfo]
) -> StoredLogits:
    """The logits of every clip of some shards, computed unless they have been before.

    Args:
        weights: The teacher's, as `find_teacher` found them.
        labels: The pupil's classes.
        index: The shards that the teacher hears; the logits are kept in their folder.
        shards: Those whose clips are needed.
    """
    name = "-".join([sha256_of(weights)[:16], index.manifest_hash[:8], labels_digest(labels)])
    stored = StoredLogits(index.folder / FOLDER / f"{name}.npz")
    absent = [s for s in shards if any(clip not in stored for clip in _clip_ids(index, s))]
    if absent:
        clips = sum(shard.clips for shard in absent)
        logger.info("%s: computing its logits of %d clips, once", weights, clips)
        teacher = load_teacher(weights, labels)
        for batch in score_batches(index, absent, batch_size=BATCH_SIZE):
            stored.add(batch.clip_ids, ask(teacher, batch.waveform, index.sample_rate, labels))
        stored.save()
    return stored


def labels_digest(labels: LabelMap) -> str:
    """Tells sets of classes apart, in eight characters."""
    return hashlib.sha256("\n".join(labels.names).encode()).hexdigest()[:8]


def _clip_ids(index: ShardIndex, shard: ShardInfo) -> list[str]:
    return [sample.facts.clip_id for sample in read_samples(index, shard)]
