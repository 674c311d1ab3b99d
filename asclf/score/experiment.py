"""Scores an experiment: every finished run on the clips it never saw, pooled into one report."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from asclf.data.shard_index import ShardIndex, ShardInfo
from asclf.data.shard_web import shards_at
from asclf.data.splits import Parts, part_shards
from asclf.errors import CheckpointError, ConfigError, DataError
from asclf.score.calibration import fit_temperature
from asclf.score.predict import OnClips, score_run
from asclf.score.protocol import protocol_of
from asclf.score.report import Report, Setting, build_report
from asclf.score.runs import Run, check_same_experiment, find_runs, read_run
from asclf.score.scores import Scores, pool

logger = logging.getLogger(__name__)


def score_experiment(
    exp: Path,
    folds: Sequence[int] | None = None,
    *,
    official_folds: int | None = None,
    missing: str = "",
    views: int = 1,
    command: str,
    on_clips: OnClips = lambda _: None,
) -> tuple[Report, Scores]:
    """Scores the runs of an experiment.

    Args:
        exp: The experiment's folder, with one run folder a fold, or one for the split `test`.
        folds: Which folds to score; `None` takes all that are trained.
        official_folds: How many folds the whole dataset has; `None` takes those in the shards.
        missing: What else of the dataset the shards lack, in words.
        views: Views of each clip whose logits are averaged; 1 takes the clip as it is.
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
    scorers = [
        _Scorer(run, index, views, on_clips) for run, index in zip(runs, indices, strict=True)
    ]
    scores = pool([scorer.test() for scorer in scorers])
    setting = Setting(
        name=exp.resolve().name,
        protocol=protocol_of(runs[0].checkpoint.config, indices[0]),
        folds_known=tuple(sorted(known)),
        missing=missing,
        command=command,
    )
    return build_report(setting, scores, runs, _temperatures(scorers)), scores


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


@dataclass(frozen=True)
class _Scorer:
    """Scores one run on its own clips."""

    run: Run
    index: ShardIndex
    views: int
    on_clips: OnClips

    def test(self) -> Scores:
        """The fold or split that it never saw; clips that are in no shard count as skipped."""
        run, test = self.run, self._parts().test
        if not test:
            raise CheckpointError(
                "this model was trained on every clip: there is nothing to score it on",
                where=run.folder,
                expected="a run with data.test_fold, or shards with a split `test`",
            )
        scores = self._score(test)
        absent = [str(clip) for clip in self.index.skipped if run.is_tested_on(clip)]
        correct, clips = int(scores.correct.sum()), len(scores.clip_ids)
        logger.info("%s: %d of %d clips correct", run.folder.name, correct, clips)
        folds = np.full(clips, run.fold or 0, np.int64)
        return replace(scores, folds=folds, skipped=(*absent, *scores.skipped))

    def temperature(self) -> float | None:
        """The temperature of its scores, where it has validation clips that are not scored."""
        parts = self._parts()
        if not parts.validation or set(parts.validation) & set(parts.test):
            return None
        return fit_temperature(self._score(parts.validation))

    def _parts(self) -> Parts:
        return part_shards(self.index, self.run.fold, self.run.checkpoint.config.data.protocol)

    def _score(self, shards: Sequence[ShardInfo]) -> Scores:
        self.index.verify(shards)
        checkpoint = self.run.checkpoint
        batch_size = checkpoint.config.data.score_batch_size
        return score_run(
            checkpoint, self.index, shards, batch_size, views=self.views, on_clips=self.on_clips
        )


def _temperatures(scorers: Sequence[_Scorer]) -> dict[int, float]:
    """The temperature of each fold's run; none where one of them has no validation clips."""
    fitted = {scorer.run.fold or 0: scorer.temperature() for scorer in scorers}
    found = {fold: each for fold, each in fitted.items() if each is not None}
    return found if len(found) == len(fitted) else {}
