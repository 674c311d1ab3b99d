"""From a configuration file to trained runs, one for each fold that is left out."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import torch

from asclf.config.experiment import ExperimentConfig, load_experiment
from asclf.data.pipeline import TrainStream
from asclf.data.seeds import place_seed
from asclf.data.shard_index import ShardIndex, ShardInfo
from asclf.data.shard_web import shards_at
from asclf.data.splits import Parts, part_shards
from asclf.data.training_set import TrainingSet
from asclf.device import threads
from asclf.errors import ConfigError, DataError
from asclf.model import build_classifier
from asclf.score.protocol import protocol_of, warning_of
from asclf.train.engines import build_engine
from asclf.train.environment import add_environment, this_environment
from asclf.train.folder import RunFolder, data_facts
from asclf.train.init import init_facts, initialise
from asclf.train.keeper import Keeper
from asclf.train.lock import locked
from asclf.train.logs import logged
from asclf.train.loop import Loop
from asclf.train.progress import Progress, Silent
from asclf.train.stop import AskedToStop, never
from asclf.train.validation import Validator

Folds = Sequence[int] | Literal["all"] | None

logger = logging.getLogger(__name__)


def train_experiment(
    config_path: Path,
    exp: Path,
    *,
    overrides: Sequence[str] = (),
    folds: Folds = None,
    resume: bool = False,
    progress: Progress | None = None,
    asked_to_stop: AskedToStop = never,
    command: str = "",
) -> list[Path]:
    """Trains one model for each fold, that fold left out and never opened.

    Args:
        config_path: The experiment's YAML.
        exp: Folder of the experiment; each run gets a folder `fold<N>` (or `all`) in it.
        overrides: `key.path=value`, over what the file says.
        folds: Folds to leave out in turn, or `"all"` that the shards have; `None` takes
            `data.test_fold` of the configuration.
        resume: Go on with runs that were cut short, pass over those that are complete.
        progress: Told of every step and epoch.
        asked_to_stop: Asked before every step whether to leave off there.
        command: The command line, for `environment.json`.

    Returns:
        The runs' folders.

    Raises:
        StoppedError: It was asked to stop; `resume` goes on from there.
        AsclfError: The configuration, the data or the folders cannot be used; before any training
            where that can be known.
    """
    index, runs = plan_experiment(config_path, exp, overrides=overrides, folds=folds, resume=resume)
    for run in runs:
        train_run(
            run,
            index,
            resume=resume,
            progress=progress or Silent(),
            asked_to_stop=asked_to_stop,
            command=command,
        )
    return [run.folder.path for run in runs]


def plan_experiment(
    config_path: Path,
    exp: Path,
    *,
    overrides: Sequence[str] = (),
    folds: Folds = None,
    resume: bool = False,
) -> tuple[ShardIndex, list[Run]]:
    """Opens the shards and plans the runs of an experiment; arguments as `train_experiment`.

    Raises:
        AsclfError: The configuration, the data or one of the folders cannot be used.
    """
    config = load_experiment(config_path, overrides)
    index = open_index(config, config_path)
    left_out = folds_left_out(folds, index, config.data.test_fold)
    runs = [plan_run(config, index, exp, fold) for fold in left_out]
    for run in runs:
        run.folder.check(run.config, run.data, resume=resume)
    return index, runs


def folds_left_out(folds: Folds, index: ShardIndex, configured: int | None) -> Sequence[int | None]:
    """The folds to leave out in turn, each once.

    Raises:
        DataError: All are wanted, and the shards have none.
    """
    if folds is None:
        return [configured]
    if folds == "all" and not index.folds:
        raise DataError(
            "these shards have no folds",
            where=index.folder,
            expected="folds to leave out in turn",
            hint="leave --folds out to train on all clips",
        )
    return list(dict.fromkeys(index.folds if folds == "all" else folds))


@dataclass(frozen=True)
class Run:
    """One model that is to be trained: on which shards, watched by which, and where it goes."""

    config: ExperimentConfig
    shards: Sequence[ShardInfo]
    data: Mapping[str, Any]
    folder: RunFolder
    validation: Sequence[ShardInfo] = ()

    def training_set(self, index: ShardIndex) -> TrainingSet:
        """What it trains on."""
        return TrainingSet(index, self.shards, self.config.data.test_fold)


def plan_run(config: ExperimentConfig, index: ShardIndex, exp: Path, fold: int | None) -> Run:
    """The run of an experiment that leaves `fold` out, or none.

    Raises:
        DataError: There is no such fold, or nothing is left to train or to validate on.
        ConfigError: Validation is asked for, and there is nothing to validate on.
        CheckpointError: The checkpoint that it starts from is not there.
    """
    parts = part_shards(index, fold, config.data.protocol)
    check_validation(config, parts)
    name = "all" if fold is None else f"fold{fold}"
    config = replace(config, data=replace(config.data, test_fold=fold))
    facts = data_facts(index, parts.train, parts.validation)
    data = {**facts, **init_facts(config.init), **objective_facts(config)}
    return Run(config, parts.train, data, RunFolder(exp / name), parts.validation)


def check_validation(config: ExperimentConfig, parts: Parts) -> None:
    """Makes sure that what looks at validation clips has some to look at.

    Raises:
        ConfigError: It has none.
    """
    for key in ("average_best", "patience"):
        if getattr(config.train, key) is not None and not parts.validation:
            raise ConfigError(
                f"`train.{key}` goes by the validation clips, and there are none",
                expected="`data.protocol: nested`, or shards of the split `validation`",
                hint="choosing an epoch by the clips that are scored makes the score too good",
            )


def objective_facts(config: ExperimentConfig) -> Mapping[str, str]:
    """What a run remembers of the files that its objective learns from."""
    tell = getattr(config.objective.entry.factory, "facts", None)
    if tell is None:
        return {}
    facts: Mapping[str, str] = tell(config.objective.config, config.data.test_fold)
    return facts


def open_index(config: ExperimentConfig, where: Path) -> ShardIndex:
    """Opens the shards that a configuration names.

    Raises:
        ConfigError: It names none, or their sample rate is not the model's.
        DataError: There are none.
    """
    if config.data.shards is None:
        raise ConfigError(
            "`data.shards` is not set",
            where=where,
            expected="a folder that `asclf shard` wrote",
            hint="add data.shards=DIR to the command",
        )
    index = shards_at(config.data.shards, cache=config.data.shard_cache)
    if index.sample_rate != config.sample_rate:
        raise ConfigError(
            f"the shards in {index.folder} are at {index.sample_rate} Hz",
            where=where,
            expected=f"sample_rate {config.sample_rate} Hz, as configured",
            hint="write them again with --sample-rate, or change `sample_rate`",
        )
    return index


def train_run(
    run: Run,
    index: ShardIndex,
    *,
    resume: bool,
    progress: Progress,
    asked_to_stop: AskedToStop = never,
    command: str = "",
) -> None:
    """Trains one model, or passes over a run that is complete; alone in its folder."""
    folder, config = run.folder, run.config.train
    with locked(folder.path):
        folder.claim(run.config, run.data, resume=resume)
        warn_of_protocol(run, index)
        if folder.summary.exists():
            logger.info("%s is complete", folder.path)
            return
        index.verify([*run.shards, *run.validation])
        with threads(config.num_threads):
            environment = this_environment(run.config.seed, run.data, command=command)
            add_environment(folder.environment, environment)
            with logged(progress, folder, tensorboard=config.tensorboard) as told:
                build_loop(run, index, told, asked_to_stop).run()


def warn_of_protocol(run: Run, index: ShardIndex) -> None:
    """Says so where no score of a run will be worth what it seems."""
    protocol = protocol_of(run.config, index)
    if warning_of(protocol):
        logger.warning(
            "%s is trained by %s: its score is %s", run.folder.path, protocol, warning_of(protocol)
        )


def build_loop(run: Run, index: ShardIndex, progress: Progress, asked_to_stop: AskedToStop) -> Loop:
    """Builds all parts of a run, the weights fresh or those of the checkpoint it starts from."""
    config, num_classes = run.config, len(index.labels)
    torch.manual_seed(place_seed(config.seed, "weights"))
    model = build_classifier(config, num_classes)
    start = initialise(model, config)
    validator = Validator(config, model, index, run.validation) if run.validation else None
    engine = build_engine(config, model, run.training_set(index))
    stream = TrainStream(
        index,
        run.shards,
        config=config.data,
        clip_augmenters=model.clip_augmenters,
        seed=config.seed,
    )
    return Loop(
        config,
        engine,
        Keeper(config, engine, run.folder, validator),
        stream=stream,
        folder=run.folder,
        progress=progress,
        start=start,
        asked_to_stop=asked_to_stop,
    )
