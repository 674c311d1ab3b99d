"""From a configuration to the engine that trains it."""

from __future__ import annotations

import torch

from asclf.config.experiment import ExperimentConfig
from asclf.data.training_set import TrainingSet
from asclf.device import best_device
from asclf.model import AudioClassifier
from asclf.train.compiling import compile_network
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
        ConfigError: The network is to be compiled, and cannot be here.
    """
    if config.train.channels_last:
        # only convolutions' weights have four dimensions; the others stay as they are
        model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    loss = config.loss.build(num_classes=len(data.labels))
    objective = config.objective.build(loss=loss, data=data)
    trainee = Trainee(model, objective, config.train.precision).to(best_device())
    if config.train.freeze == "backbone":
        freeze_all_but_head(model)
    if config.train.compile:
        compile_network(model)
    optimizer = config.optimizer.build(model=model)
    apply_layer_decay(optimizer, model, config.train.layer_decay)
    return TorchEngine(trainee, optimizer, config.train, peers or Peers())
