"""Logits of the clips of test folds, from a checkpoint."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray

from asclf.checkpoint import Checkpoint, check_labels
from asclf.data.clipset import score_batches
from asclf.data.shard_facts import read_facts
from asclf.data.shard_index import ShardIndex, ShardInfo
from asclf.device import best_device
from asclf.errors import CheckpointError, DataError
from asclf.protocols import Batch
from asclf.score.scores import Scores, pool
from asclf.score.views import views_of

OnClips = Callable[[int], None]


def score_run(
    checkpoint: Checkpoint,
    index: ShardIndex,
    shards: Sequence[ShardInfo],
    batch_size: int,
    *,
    views: int = 1,
    on_clips: OnClips = lambda _: None,
) -> Scores:
    """Runs the classifier over every clip of some shards, each exactly once.

    Args:
        checkpoint: The classifier; it is moved to the accelerator where there is one.
        index: The shards' index.
        shards: Those to score, of one fold or several.
        batch_size: Clips that go through the network together; no score depends on it.
        views: Views of each clip whose logits are averaged (see `asclf.score.views`).
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
        parts.append(_score_fold(checkpoint, batches, fold or 0, views, on_clips))
    scores = _with_sources(pool(parts), index, shards)
    _check_complete(scores, index, shards)
    return scores


def _score_fold(
    checkpoint: Checkpoint, batches: Iterator[Batch], fold: int, views: int, on_clips: OnClips
) -> Scores:
    num_classes = len(checkpoint.labels)
    clip_ids: list[str] = []
    targets = [np.zeros((0, num_classes), np.bool_)]
    logits = [np.zeros((0, num_classes), np.float32)]
    for batch in batches:
        clip_ids += batch.clip_ids
        targets.append(batch.targets.numpy() > 0)
        logits.append(_logits(checkpoint, batch, views))
        on_clips(len(batch.clip_ids))
    return Scores(
        tuple(clip_ids),
        np.full(len(clip_ids), fold, np.int64),
        np.concatenate(targets),
        np.concatenate(logits),
        checkpoint.labels,
        activation=checkpoint.activation,
        views=views,
    )


def _with_sources(scores: Scores, index: ShardIndex, shards: Sequence[ShardInfo]) -> Scores:
    facts = (facts for shard in shards for facts in read_facts(index, shard))
    known = {fact.clip_id: fact.source_id for fact in facts}
    return replace(scores, source_ids=tuple(known[clip_id] for clip_id in scores.clip_ids))


@torch.inference_mode()
def _logits(checkpoint: Checkpoint, batch: Batch, count: int) -> NDArray[np.float32]:
    """(B, S) → (B, C), the mean over views; the model stays where the first batch moved it."""
    device, config = best_device(), checkpoint.config
    crop_s = config.data.crop_s
    crop = None if crop_s is None else round(crop_s * config.sample_rate)
    model, moved = checkpoint.model.to(device), batch.to(device)
    seen = [model(view).float() for view in views_of(moved.waveform, count, crop)]
    logits: NDArray[np.float32] = torch.stack(seen).mean(dim=0).cpu().numpy()
    broken = np.flatnonzero(~np.isfinite(logits).all(axis=1))
    if broken.size:
        raise CheckpointError(
            f"the logits of {batch.clip_ids[broken[0]]} are not finite",
            where=checkpoint.path,
            hint="its training diverged; see metrics.jsonl",
        )
    return logits


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
