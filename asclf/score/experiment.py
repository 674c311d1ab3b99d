"""Scores an experiment: every finished run on the clips it never saw, pooled into one report."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from asclf.data.shard_index import ShardIndex
from asclf.data.shard_web import shards_at
from asclf.data.splits import train_and_test
from asclf.errors import CheckpointError, ConfigError, DataError
from asclf.score.predict import OnClips, score_run
from asclf.score.report import Report, build_report
from asclf.score.runs import Run, check_same_experiment, find_runs, read_run
from asclf.score.scores import Scores, pool

logger = logging.getLogger(__name__)


def score_experiment(
    exp: Path,
    folds: Sequence[int] | None = None,
    *,
    official_folds: int | None = None,
    missing: str = "",
    command: str,
    on_clips: OnClips = lambda _: None,
) -> tuple[Report, Scores]:
    """Scores the runs of an experiment.

    Args:
        exp: The experiment's folder, with one run folder a fold, or one for the split `test`.
        folds: Which folds to score; `None` takes all that are trained.
        official_folds: How many folds the whole dataset has; `None` takes those in the shards.
        missing: What else of the dataset the shards lack, in words.
        command: The command line that repeats this try.
        on_clips: Called with the number of clips done after each batch.

    Raises:
        CheckpointError: A run is unfinished, broken, or of another experiment than the first.
        DataError: The shards are missing, broken, or not those that were trained on.
    """
    runs = [read_run(folder) for folder in find_runs(exp, folds)]
    check_same_experiment(runs)
    indices = [open_shards(run) for run in runs]
    known = {*indices[0].folds, *range(1, (official_folds or 0) + 1)} if runs[0].has_fold else ()
    parts = [_score_fold(run, index, on_clips) for run, index in zip(runs, indices, strict=True)]
    scores = pool(parts)
    return build_report(exp.resolve().name, scores, runs, known, command, missing), scores


def open_shards(run: Run) -> ShardIndex:
    """Opens the shards that a run was trained on.

    Raises:
        ConfigError: The run does not say where they are.
        DataError: They are not there, or were written from another manifest since: what is a test
            clip now may have been trained on.
    """
    data = run.checkpoint.config.data
    if data.shards is None:
        raise ConfigError("it does not say where its shards are", where=run.folder)
    index = shards_at(data.shards, cache=data.shard_cache)
    if index.manifest_hash != run.manifest_hash:
        raise DataError(
            "these shards were made from another manifest",
            where=index.folder,
            expected=f"the one that {run.folder} was trained on",
            hint="write the shards again, or train again",
        )
    return index


def _score_fold(run: Run, index: ShardIndex, on_clips: OnClips) -> Scores:
    """Scores one fold or split; clips that never made it into a shard count as skipped as well."""
    _, test = train_and_test(index, run.fold)
    if not test:
        raise CheckpointError(
            "this model was trained on every clip: there is nothing to score it on",
            where=run.folder,
            expected="a run with data.test_fold, or shards with a split `test`",
        )
    index.verify(test)
    batch_size = run.checkpoint.config.data.score_batch_size
    scores = score_run(run.checkpoint, index, test, batch_size, on_clips=on_clips)
    absent = [str(clip) for clip in index.skipped if run.is_tested_on(clip)]
    correct, clips = int(scores.correct.sum()), len(scores.clip_ids)
    logger.info("%s: %d of %d clips correct", run.folder.name, correct, clips)
    folds = np.full(clips, run.fold or 0, np.int64)
    return replace(scores, folds=folds, skipped=(*absent, *scores.skipped))
