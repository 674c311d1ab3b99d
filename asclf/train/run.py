"""From a configuration file to trained runs, one for each fold that is left out."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import torch

from asclf.config.experiment import ExperimentConfig, load_experiment
from asclf.data.leakage import Finding, TraitReader
from asclf.data.pipeline import TrainStream
from asclf.data.seeds import place_seed
from asclf.data.shard_index import ShardIndex, ShardInfo
from asclf.data.shard_web import shards_at
from asclf.data.splits import Parts, part_shards
from asclf.data.training_set import TrainingSet
from asclf.device import threads
from asclf.errors import ConfigError, DataError, TrainError
from asclf.model import AudioClassifier, build_classifier
from asclf.protocols import ClipAugmenter
from asclf.score.protocol import protocol_of, warning_of
from asclf.train.engines import build_engine, check_engine
from asclf.train.environment import add_environment, this_environment
from asclf.train.folder import RunFolder, data_facts
from asclf.train.init import InitReport, init_facts, initialise
from asclf.train.keeper import Keeper
from asclf.train.leakage import LeakageCheck, keep_findings
from asclf.train.lock import locked
from asclf.train.logs import logged
from asclf.train.loop import Loop
from asclf.train.peers import Peers
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
    peers: Peers | None = None,
    asked_to_stop: AskedToStop = never,
    allow_leakage: bool = False,
    command: str = "",
) -> list[Path]:
    """Trains one model for each fold, that fold left out.

    Of its clips no more is read than what tells leakage: their sources, and hashes of their bytes.

    Args:
        config_path: The experiment's YAML.
        exp: Folder of the experiment; each run gets a folder `fold<N>` (or `all`) in it.
        overrides: `key.path=value`, over what the file says.
        folds: Folds to leave out in turn, or `"all"` that the shards have; `None` takes
            `data.test_fold` of the configuration.
        resume: Go on with runs that were cut short, pass over those that are complete.
        progress: Told of every step and epoch.
        peers: Those that train together, each of which calls this; alone where it is not given.
        asked_to_stop: Asked before every step whether to leave off there.
        allow_leakage: Train even where test clips are known from training; it is written down.
        command: The command line, for `environment.json`.

    Returns:
        The runs' folders.

    Raises:
        StoppedError: It was asked to stop; `resume` goes on from there.
        AsclfError: The configuration, the data or the folders cannot be used; before any training
            where that can be known.
    """
    peers = peers or Peers()
    with peers.as_one():
        index, runs = plan_experiment(
            config_path,
            exp,
            overrides=overrides,
            folds=folds,
            resume=resume,
            peers=peers,
            allow_leakage=allow_leakage,
        )
    for run in runs:
        train_run(
            run,
            index,
            resume=resume,
            progress=progress or Silent(),
            peers=peers,
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
    peers: Peers | None = None,
    allow_leakage: bool = False,
) -> tuple[ShardIndex, list[Run]]:
    """Opens the shards and plans the runs of an experiment; arguments as `train_experiment`.

    Raises:
        AsclfError: The configuration, the data or one of the folders cannot be used.
    """
    peers = peers or Peers()
    config = load_experiment(config_path, overrides)
    check_engine(config, peers)
    index = open_index(config, config_path)
    left_out = folds_left_out(folds, index, config.data.test_fold)
    runs = [plan_run(config, index, exp, fold) for fold in left_out]
    for run in runs:
        check_run(run, index, peers, resume=resume)
    if peers.leads:
        check = LeakageCheck(TraitReader(index), allow_leakage)
        runs = [run.checked_for_leakage(check, index) for run in runs]
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
    data: Mapping[str, Any]
    folder: RunFolder
    parts: Parts
    leakage: Sequence[Finding] | None = None

    @property
    def shards(self) -> Sequence[ShardInfo]:
        """What it trains on."""
        return self.parts.train

    @property
    def validation(self) -> Sequence[ShardInfo]:
        """What watches it."""
        return self.parts.validation

    def checked_for_leakage(self, check: LeakageCheck, index: ShardIndex) -> Run:
        """The run with what leaks; as it is where it was looked for when it began."""
        if self.folder.leakage.exists():
            return self
        return replace(self, leakage=check.findings(self.config, index, self.parts))

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
    data = {**facts, **start_facts(config)}
    return Run(config, data, RunFolder(exp / name), parts)


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


def start_facts(config: ExperimentConfig) -> dict[str, str]:
    """What a run remembers of all files that it starts from and learns from.

    Raises:
        CheckpointError: One of them is not there.
    """
    return {**init_facts(config.init), **objective_facts(config)}


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


def check_run(run: Run, index: ShardIndex, peers: Peers, *, resume: bool) -> None:
    """Makes sure that a run can start; changes nothing.

    Raises:
        TrainError: Its folder is taken.
        ConfigError: The processes cannot share a batch evenly.
        DataError: They are more than there are shards.
    """
    run.folder.check(run.config, run.data, resume=resume)
    build_stream(run, index, (), peers)


def train_run(
    run: Run,
    index: ShardIndex,
    *,
    resume: bool,
    progress: Progress,
    peers: Peers,
    asked_to_stop: AskedToStop = never,
    command: str = "",
) -> None:
    """Trains one model, or passes over a run that is complete; alone in its folder."""
    with ExitStack() as held:
        with peers.as_one():
            if peers.leads:
                held.enter_context(locked(run.folder.path))
                run.folder.claim(run.config, run.data, resume=resume)
                if run.leakage is not None:
                    keep_findings(run.folder, run.leakage)
                warn_of_protocol(run, index)
        if peers.agree(run.folder.summary.exists()):
            logger.info("%s is complete", run.folder.path)
            return
        check_resume_is_shared(run, peers)
        held.enter_context(threads(run.config.train.num_threads))
        with peers.as_one():
            if peers.local_rank == 0:  # once a machine
                index.verify([*run.shards, *run.validation])
            model, start = build_model(run.config, len(index.labels))
            if peers.leads:
                note_environment(run, command, peers)
                progress = held.enter_context(
                    logged(progress, run.folder, tensorboard=run.config.train.tensorboard)
                )
        loop = build_loop(
            run, index, model, start, progress=progress, peers=peers, asked_to_stop=asked_to_stop
        )
        loop.run()


def note_environment(run: Run, command: str, peers: Peers) -> None:
    """Adds what the run is trained in to its `environment.json`."""
    environment = this_environment(
        run.config.seed, run.data, command=command, processes=peers.world_size
    )
    add_environment(run.folder.environment, environment)


def warn_of_protocol(run: Run, index: ShardIndex) -> None:
    """Says so where no score of a run will be worth what it seems."""
    protocol = protocol_of(run.config, index)
    if warning_of(protocol):
        logger.warning(
            "%s is trained by %s: its score is %s", run.folder.path, protocol, warning_of(protocol)
        )


def check_resume_is_shared(run: Run, peers: Peers) -> None:
    """Makes sure that all processes go on from one state, or none does; a collective.

    Raises:
        TrainError: Some see the state of the run, and some do not.
    """
    if len({*peers.gather(run.folder.resume.exists())}) > 1:
        raise TrainError(
            "some of the processes see this file, and some do not",
            where=run.folder.resume,
            hint="machines that train together need one experiment folder, say on a network drive",
        )


def build_model(
    config: ExperimentConfig, num_classes: int
) -> tuple[AudioClassifier, InitReport | None]:
    """The classifier to be trained, its weights fresh or those of the checkpoint it starts from."""
    torch.manual_seed(place_seed(config.seed, "weights"))
    model = build_classifier(config, num_classes)
    return model, initialise(model, config)


def build_loop(
    run: Run,
    index: ShardIndex,
    model: AudioClassifier,
    start: InitReport | None,
    *,
    progress: Progress,
    peers: Peers,
    asked_to_stop: AskedToStop,
) -> Loop:
    """Builds all other parts of a run; a collective."""
    config = run.config
    validator = Validator(config, model, index, run.validation) if run.validation else None
    engine = build_engine(config, model, run.training_set(index), peers)
    keeper = Keeper(config, engine, run.folder, validator)
    return Loop(
        config,
        engine,
        keeper,
        stream=build_stream(run, index, model.clip_augmenters, peers),
        folder=run.folder,
        progress=progress,
        start=start,
        asked_to_stop=asked_to_stop,
    )


def build_stream(
    run: Run, index: ShardIndex, clip_augmenters: Sequence[ClipAugmenter], peers: Peers
) -> TrainStream:
    """This process's batches."""
    return TrainStream(
        index,
        run.shards,
        config=run.config.data,
        clip_augmenters=clip_augmenters,
        seed=run.config.seed,
        rank=peers.rank,
        world_size=peers.world_size,
    )
