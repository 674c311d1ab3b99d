"""From a configuration file to trained runs, one for each fold that is left out."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch

from asclf.config.experiment import ExperimentConfig, load_experiment
from asclf.data.pipeline import TrainStream
from asclf.data.seeds import place_seed
from asclf.data.shards import ShardIndex
from asclf.data.splits import train_and_test
from asclf.errors import ConfigError
from asclf.model import build_classifier
from asclf.train.engine import TorchEngine
from asclf.train.folder import RunFolder
from asclf.train.loop import Loop
from asclf.train.progress import Progress, Silent

logger = logging.getLogger(__name__)


def train_experiment(
    config_path: Path,
    exp: Path,
    *,
    overrides: Sequence[str] = (),
    folds: Sequence[int] | None = None,
    resume: bool = False,
    progress: Progress | None = None,
) -> list[Path]:
    """Trains one model for each fold, that fold left out and never opened.

    Args:
        config_path: The experiment's YAML.
        exp: Folder of the experiment; each run gets a folder `fold<N>` (or `all`) in it.
        overrides: `key.path=value`, over what the file says.
        folds: Folds to leave out in turn; `None` takes `data.test_fold` of the configuration.
        resume: Go on with runs that were cut short, pass over those that are complete.
        progress: Told of every step and epoch.

    Returns:
        The runs' folders.

    Raises:
        AsclfError: The configuration, the data or the folders cannot be used; before any training
            where that can be known.
    """
    config = load_experiment(config_path, overrides)
    index = open_index(config, config_path)
    left_out = folds if folds is not None else [config.data.test_fold]
    configs = [leaving_out(config, fold) for fold in left_out]
    for run_config in configs:
        train_and_test(index, run_config.data.test_fold)
    return [
        train_run(run_config, index, exp / run_name(run_config), resume, progress or Silent())
        for run_config in configs
    ]


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
    index = ShardIndex.load(Path(config.data.shards))
    if index.sample_rate != config.sample_rate:
        raise ConfigError(
            f"the shards in {index.folder} are at {index.sample_rate} Hz",
            where=where,
            expected=f"sample_rate {config.sample_rate} Hz, as configured",
            hint="write them again with --sample-rate, or change `sample_rate`",
        )
    return index


def leaving_out(config: ExperimentConfig, fold: int | None) -> ExperimentConfig:
    """The same experiment with another fold left out."""
    return replace(config, data=replace(config.data, test_fold=fold))


def run_name(config: ExperimentConfig) -> str:
    """The name of a run's folder."""
    fold = config.data.test_fold
    return "all" if fold is None else f"fold{fold}"


def train_run(
    config: ExperimentConfig, index: ShardIndex, path: Path, resume: bool, progress: Progress
) -> Path:
    """Trains one model, or passes over a run that is complete."""
    folder = RunFolder(path)
    folder.claim(config, index, resume=resume)
    if folder.summary.exists():
        logger.info("%s is complete", path)
        return path
    shards, _ = train_and_test(index, config.data.test_fold)
    index.verify(shards)
    if config.train.num_threads:
        torch.set_num_threads(config.train.num_threads)
    torch.manual_seed(place_seed(config.seed, "weights"))
    model = build_classifier(config, len(index.labels))
    engine = TorchEngine(model, config.loss.build(num_classes=len(index.labels)), config.train)
    optimizer = config.optimizer.build(model=engine.model)
    stream = TrainStream(
        index,
        shards,
        config=config.data,
        clip_augmenters=model.clip_augmenters,
        seed=config.seed,
    )
    loop = Loop(
        config, engine, optimizer=optimizer, stream=stream, folder=folder, progress=progress
    )
    loop.run()
    return path
