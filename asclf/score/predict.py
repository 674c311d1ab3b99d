"""Logits of the clips of test folds, from a checkpoint."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from asclf.checkpoint import Checkpoint, check_labels
from asclf.data.clipset import score_batches
from asclf.data.shard_index import ShardIndex, ShardInfo
from asclf.device import best_device
from asclf.errors import CheckpointError, DataError
from asclf.protocols import Batch
from asclf.score.scores import Scores, pool

OnClips = Callable[[int], None]


def score_run(
    checkpoint: Checkpoint,
    index: ShardIndex,
    shards: Sequence[ShardInfo],
    batch_size: int,
    *,
    on_clips: OnClips = lambda _: None,
) -> Scores:
    """Runs the classifier over every clip of some shards, each exactly once.

    Args:
        checkpoint: The classifier; it is moved to the accelerator where there is one.
        index: The shards' index.
        shards: Those to score, of one fold or several.
        batch_size: Clips that go through the network together; no score depends on it.
        on_clips: Called with the number of clips done after each batch.

    Raises:
        CheckpointError: It belongs to other classes or another sample rate, or its logits are not
            finite.
        DataError: A shard is broken, or clips are lost on the way.
    """
    check_labels(checkpoint, index.labels, index.folder)
    _check_sample_rate(checkpoint, index)
    parts = []
    for fold in sorted({shard.fold for shard in shards}, key=lambda fold: fold or 0):
        chosen = [shard for shard in shards if shard.fold == fold]
        batches = score_batches(index, chosen, batch_size=batch_size)
        parts.append(_score_fold(checkpoint, batches, fold or 0, on_clips))
    scores = pool(parts)
    _check_complete(scores, index, shards)
    return scores


def _score_fold(
    checkpoint: Checkpoint, batches: Iterator[Batch], fold: int, on_clips: OnClips
) -> Scores:
    clip_ids: list[str] = []
    targets, logits = [np.zeros(0, np.int64)], [np.zeros((0, len(checkpoint.labels)), np.float32)]
    for batch in batches:
        clip_ids += batch.clip_ids
        targets.append(_class_indices(batch))
        logits.append(_logits(checkpoint, batch))
        on_clips(len(batch.clip_ids))
    return Scores(
        tuple(clip_ids),
        np.full(len(clip_ids), fold, np.int64),
        np.concatenate(targets),
        np.concatenate(logits),
        checkpoint.labels,
    )


@torch.inference_mode()
def _logits(checkpoint: Checkpoint, batch: Batch) -> NDArray[np.float32]:
    """(B, S) → (B, C); the model stays where the first batch moved it."""
    device = best_device()
    model, moved = checkpoint.model.to(device), batch.to(device)
    logits: NDArray[np.float32] = model(moved.waveform, moved.lengths).float().cpu().numpy()
    broken = np.flatnonzero(~np.isfinite(logits).all(axis=1))
    if broken.size:
        raise CheckpointError(
            f"the logits of {batch.clip_ids[broken[0]]} are not finite",
            where=checkpoint.path,
            hint="its training diverged; see metrics.jsonl",
        )
    return logits


def _class_indices(batch: Batch) -> NDArray[np.int64]:
    targets = batch.targets.numpy()
    for clip_id, row in zip(batch.clip_ids, targets, strict=True):
        if np.count_nonzero(row) != 1:
            raise DataError(
                f"it has {np.count_nonzero(row)} labels",
                where=clip_id,
                expected="one label a clip, so that a prediction is right or wrong",
            )
    return np.asarray(targets.argmax(axis=1), dtype=np.int64)


def _check_sample_rate(checkpoint: Checkpoint, index: ShardIndex) -> None:
    if index.sample_rate != checkpoint.config.sample_rate:
        raise CheckpointError(
            f"the model hears {checkpoint.config.sample_rate} Hz",
            where=checkpoint.path,
            expected=f"the {index.sample_rate} Hz of {index.folder}",
            hint="shard the data again with --sample-rate",
        )


def _check_complete(scores: Scores, index: ShardIndex, shards: Sequence[ShardInfo]) -> None:
    expected = sum(shard.clips for shard in shards)
    if len(scores.clip_ids) != expected:
        names = ", ".join(shard.name for shard in shards)
        raise DataError(
            f"{len(scores.clip_ids)} clips came out of {names}",
            where=index.folder,
            expected=f"the {expected} of the index",
            hint="shard the data again",
        )
