"""The trained runs of an experiment, one folder a fold, with the facts that a report keeps."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from asclf.checkpoint import Checkpoint, load_checkpoint
from asclf.config import ExperimentConfig
from asclf.data.shard_index import SkippedClip
from asclf.errors import CheckpointError
from asclf.files import sha256_of
from asclf.score.protocol import weights_rule

DATA, SUMMARY = "data.json", "summary.json"

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Run:
    """A finished run: its checkpoint, its data, how its training went, and the fold it left out.

    `fold` is `None` where it left out none, and is to be scored on the split `test`. `init_sha256`
    is of the file that it started from, `None` where every weight was drawn.
    """

    folder: Path
    checkpoint: Checkpoint
    fold: int | None
    manifest_hash: str
    summary: Mapping[str, Any]
    init_sha256: str | None = None

    @property
    def has_fold(self) -> bool:
        """Whether it left a fold out; otherwise the split `test` is what it never saw."""
        return self.fold is not None

    def is_tested_on(self, clip: SkippedClip) -> bool:
        """Whether a clip is of the fold or split that this run is scored on."""
        return clip.fold == self.fold if self.has_fold else clip.split == "test"

    @property
    def weights(self) -> str:
        """The rule by which the weights were made."""
        return weights_rule(self.checkpoint.config, self.checkpoint.meta.facts)


def find_runs(exp: Path, folds: Sequence[int] | None) -> list[Path]:
    """The folders of the finished runs that are to be scored, by fold.

    Args:
        exp: The experiment's folder.
        folds: Which to take; `None` takes every one that is finished, or where there is no fold
            the run `all`.

    Raises:
        CheckpointError: There is none, or one that was asked for is not finished.
    """
    started = [folder for folder in exp.glob("fold*") if folder.is_dir()] or [exp / "all"]
    finished = {folder.name: folder for folder in started if (folder / SUMMARY).is_file()}
    if folds is not None:
        return [_wanted(exp / f"fold{fold}", finished) for fold in sorted(set(folds))]
    if not finished:
        raise CheckpointError(
            "there is no finished run here",
            where=exp,
            expected=f"fold1/{SUMMARY}, …, or all/{SUMMARY}",
            hint="train it first: asclf train",
        )
    for folder in started:
        if folder.name not in finished:
            logger.warning("%s: its training has not ended; left out of the score", folder)
    return [finished[name] for name in sorted(finished, key=lambda name: (len(name), name))]


def _wanted(folder: Path, finished: Mapping[str, Path]) -> Path:
    if folder.name not in finished:
        raise CheckpointError(
            "there is no finished run of this fold",
            where=folder,
            expected=SUMMARY,
            hint=f"finished: {', '.join(sorted(finished)) or 'none'}; "
            "train it, or go on with asclf train --resume",
        )
    return folder


def read_run(folder: Path) -> Run:
    """Loads a run's final weights and the summary of its training.

    Raises:
        CheckpointError: Broken or foreign weights, or an unfinished run.
    """
    checkpoint = load_checkpoint(folder)
    fold = checkpoint.config.data.test_fold
    data, summary = _read_json(folder / DATA), _read_json(folder / SUMMARY)
    return Run(folder, checkpoint, fold, data["manifest_hash"], summary, data.get("init_sha256"))


def run_files(folder: Path) -> dict[str, str]:
    """The hashes of the files that a run started from and learnt from, by what they are.

    Raises:
        CheckpointError: The run does not say what it was trained on.
    """
    facts = _read_json(folder / DATA)
    return {name: value for name, value in facts.items() if name.endswith("_sha256")}


def _read_json(path: Path) -> Mapping[str, Any]:
    try:
        values: Mapping[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CheckpointError(
            f"this part of a finished run cannot be read: {error}",
            where=path,
            hint="train it again",
        ) from error
    return values


def check_same_experiment(runs: Sequence[Run]) -> None:
    """Makes sure that all were trained by one configuration, from one start, on one dataset.

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
        if run.init_sha256 != first.init_sha256:
            raise CheckpointError(
                f"it was trained from other weights than {first.folder.name}",
                where=run.folder,
                hint="train all folds from one checkpoint; score each alone with --folds",
            )
        if run.manifest_hash != first.manifest_hash:
            raise CheckpointError(
                f"it was trained on other data than {first.folder.name}",
                where=run.folder,
                hint="train all folds on the same shards",
            )


def config_sha256(config: ExperimentConfig) -> str:
    """The hash of a resolved configuration without its test fold and what changes no weight."""
    config = config.canonical()
    without_fold = replace(config, data=replace(config.data, test_fold=None))
    return hashlib.sha256(without_fold.to_yaml().encode()).hexdigest()


def setting_sha256(config: ExperimentConfig) -> str:
    """The hash that a configuration has in common with the same of every other seed.

    It is that of seed 0, so that a result which keeps only its `config_sha256` has it as well
    where its seed is 0.
    """
    return config_sha256(replace(config, seed=0))


def weights_sha256(runs: Sequence[Run]) -> str:
    """One hash of the final weight files of all runs, in their order."""
    digests = "".join(sha256_of(run.checkpoint.path) for run in runs)
    return hashlib.sha256(digests.encode()).hexdigest()
