"""Scores an experiment: every finished fold on the clips it never saw, pooled into one report."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from asclf.data.shard_index import ShardIndex
from asclf.data.splits import train_and_test
from asclf.errors import ConfigError, DataError
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
    command: str,
    on_clips: OnClips = lambda _: None,
) -> tuple[Report, Scores]:
    """Scores the runs of an experiment.

    Args:
        exp: The experiment's folder, with one run folder a fold.
        folds: Which folds to score; `None` takes all that are trained.
        official_folds: How many folds the whole dataset has; `None` takes those in the shards.
        command: The command line that repeats this try.
        on_clips: Called with the number of clips done after each batch.

    Raises:
        CheckpointError: A run is unfinished, broken, or of another configuration than the first.
        DataError: The shards are missing or broken, or were made from another manifest.
    """
    runs = [read_run(folder) for folder in find_runs(exp, folds)]
    check_same_experiment(runs)
    parts, indices = [], []
    for run in runs:
        index = ShardIndex.load(_shards_folder(run))
        parts.append(_score_fold(run, index, on_clips))
        indices.append(index)
    _check_same_data(indices)
    known = {*indices[0].folds, *range(1, (official_folds or 0) + 1)}
    scores = pool(parts)
    return build_report(exp.resolve().name, scores, runs, known, command), scores


def _shards_folder(run: Run) -> Path:
    shards = run.checkpoint.config.data.shards
    if shards is None:
        raise ConfigError("it does not say where its shards are", where=run.folder)
    return Path(shards)


def _score_fold(run: Run, index: ShardIndex, on_clips: OnClips) -> Scores:
    """Scores one fold; clips that never made it into a shard count as skipped as well."""
    _, test = train_and_test(index, run.fold)
    index.verify(test)
    batch_size = run.checkpoint.config.data.score_batch_size
    scores = score_run(run.checkpoint, index, test, batch_size, on_clips=on_clips)
    absent = [str(clip) for clip in index.skipped if clip.fold == run.fold]
    correct, clips = int(scores.correct.sum()), len(scores.clip_ids)
    logger.info("%s: %d of %d clips correct", run.folder.name, correct, clips)
    return replace(scores, skipped=(*absent, *scores.skipped))


def _check_same_data(indices: Sequence[ShardIndex]) -> None:
    for index in indices[1:]:
        if index.manifest_hash != indices[0].manifest_hash:
            raise DataError(
                "these shards were made from another manifest",
                where=index.folder,
                expected=f"that of {indices[0].folder}",
                hint="train all folds on the same shards",
            )
