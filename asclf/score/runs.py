"""The trained runs of an experiment, one folder a fold, with the facts that a report keeps."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from asclf.checkpoint import FINAL, Checkpoint, load_checkpoint
from asclf.config import ExperimentConfig
from asclf.errors import CheckpointError
from asclf.files import sha256_of

SUMMARY = "summary.json"

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Run:
    """A finished run: its checkpoint, the fold it left out, and the summary of its training."""

    folder: Path
    checkpoint: Checkpoint
    fold: int
    summary: Mapping[str, Any]

    @property
    def weights(self) -> str:
        """The rule by which the weights were made."""
        averaged = len(self.checkpoint.meta.facts.get("averaged", ()))
        return f"last epochs averaged: {averaged}" if averaged > 1 else "last epoch"


def find_runs(exp: Path, folds: Sequence[int] | None) -> list[Path]:
    """The folders of the finished runs that are to be scored, by fold.

    Args:
        exp: The experiment's folder.
        folds: Which to take; `None` takes every one that is finished.

    Raises:
        CheckpointError: There is none, or one that was asked for is not finished.
    """
    finished = {folder.name: folder for folder in exp.glob("fold*") if (folder / FINAL).is_file()}
    if folds is not None:
        return [_wanted(exp / f"fold{fold}", finished) for fold in sorted(set(folds))]
    if not finished:
        raise CheckpointError(
            "there is no finished run of a fold here",
            where=exp,
            expected=f"fold1/{FINAL}, …",
            hint="train it first: asclf train",
        )
    for folder in exp.glob("fold*/"):
        if folder.name not in finished:
            logger.warning("%s: its training has not ended; left out of the score", folder)
    return [finished[name] for name in sorted(finished, key=lambda name: (len(name), name))]


def _wanted(folder: Path, finished: Mapping[str, Path]) -> Path:
    if folder.name not in finished:
        raise CheckpointError(
            "this fold has no final weights",
            where=folder,
            expected=FINAL,
            hint=f"finished: {', '.join(sorted(finished)) or 'none'}; "
            "train it, or go on with asclf train --resume",
        )
    return folder


def read_run(folder: Path) -> Run:
    """Loads a run's final weights and the summary of its training.

    Raises:
        CheckpointError: Broken or foreign weights, no summary, or a run that left no fold out.
    """
    checkpoint = load_checkpoint(folder)
    fold = checkpoint.config.data.test_fold
    if fold is None:
        raise CheckpointError(
            "this model was trained on every fold: there is nothing to score it on",
            where=folder,
            expected="a run with data.test_fold",
        )
    try:
        summary = json.loads((folder / SUMMARY).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CheckpointError(
            f"the summary of its training cannot be read: {error}",
            where=folder / SUMMARY,
            hint="end the training with asclf train --resume",
        ) from error
    return Run(folder, checkpoint, fold, summary)


def check_same_experiment(runs: Sequence[Run]) -> None:
    """Makes sure that all runs were trained by one configuration, apart from the fold.

    Raises:
        CheckpointError: Two differ; their scores must not be pooled.
    """
    first = runs[0]
    for run in runs[1:]:
        if config_sha256(run.checkpoint.config) != config_sha256(first.checkpoint.config):
            raise CheckpointError(
                f"it was trained by another configuration than {first.folder.name}",
                where=run.folder,
                hint="compare their config.yaml; score each alone with --folds",
            )


def config_sha256(config: ExperimentConfig) -> str:
    """The hash of a resolved configuration, whatever its test fold and its shards' folder."""
    data = replace(config.data, shards=None, test_fold=None)
    return hashlib.sha256(replace(config, data=data).to_yaml().encode()).hexdigest()


def weights_sha256(runs: Sequence[Run]) -> str:
    """One hash of the final weight files of all runs, in their order."""
    digests = "".join(sha256_of(run.checkpoint.path) for run in runs)
    return hashlib.sha256(digests.encode()).hexdigest()
