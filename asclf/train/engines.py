"""From a configuration to the engine that trains it."""

from __future__ import annotations

import os

import torch
from torch.optim import Optimizer

from asclf.config.experiment import ExperimentConfig
from asclf.data.training_set import TrainingSet
from asclf.device import best_device
from asclf.errors import ConfigError
from asclf.model import AudioClassifier
from asclf.train.batch_norm import synchronise_batch_norms
from asclf.train.compiling import compile_network
from asclf.train.deepspeed_options import deepspeed_options
from asclf.train.engine import Engine
from asclf.train.engine_torch import TorchEngine
from asclf.train.layer_decay import apply_layer_decay
from asclf.train.peers import Peers
from asclf.train.trainee import Trainee, freeze_all_but_head


def build_engine(
    config: ExperimentConfig, model: AudioClassifier, data: TrainingSet, peers: Peers | None = None
) -> Engine:
    """Puts a classifier, its objective and its optimizer into the engine that is configured.

    Args:
        config: The experiment.
        model: Its weights drawn or loaded.
        data: What it trains on.
        peers: Those that train together; alone where it is not given.

    Raises:
        ConfigError: The network is to be compiled, and cannot be here; or the loss is made for the
            logits of another head.
    """
    if config.train.channels_last:
        # only convolutions' weights have four dimensions; the others stay as they are
        model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    loss = config.loss.build(num_classes=len(data.labels))
    check_head = getattr(loss, "check_head", None)
    if check_head is not None:
        check_head(model.head)
    objective = config.objective.build(loss=loss, data=data)
    trainee = Trainee(model, objective, config.train.precision).to(best_device())
    if config.train.freeze == "backbone":
        freeze_all_but_head(model)
    if config.train.compile:
        compile_network(model)
    optimizer = config.optimizer.build(model=model)
    apply_layer_decay(optimizer, model, config.train.layer_decay)
    peers = peers or Peers()
    if peers.world_size > 1 and best_device().type == "cuda":
        synchronise_batch_norms(model)
    if config.train.engine == "deepspeed":
        return _deepspeed_engine(trainee, optimizer, config, peers)
    return TorchEngine(trainee, optimizer, config.train, peers)


def check_engine(config: ExperimentConfig, peers: Peers) -> None:
    """Makes sure that an engine can serve those that train together.

    Raises:
        ConfigError: It serves one process, and they are several; or its options cannot be used.
    """
    if config.train.engine == "torch" and peers.world_size > 1:
        raise ConfigError(
            f"`train.engine` is torch, which is one process, and there are {peers.world_size}",
            expected="ddp or deepspeed",
            hint="add train.engine=ddp to the command",
        )
    if config.train.engine == "deepspeed":
        deepspeed_options(config, peers.world_size)


def _deepspeed_engine(
    trainee: Trainee, optimizer: Optimizer, config: ExperimentConfig, peers: Peers
) -> Engine:
    os.environ.setdefault("DS_ACCELERATOR", best_device().type)  # read when it is imported
    from asclf.train.engine_deepspeed import DeepSpeedEngine

    options = deepspeed_options(config, peers.world_size)
    return DeepSpeedEngine(trainee, optimizer, options, peers)
