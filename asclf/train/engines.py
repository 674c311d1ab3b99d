"""From a configuration to the engine that trains it."""

from __future__ import annotations

import torch

from asclf.config.experiment import ExperimentConfig
from asclf.data.training_set import TrainingSet
from asclf.device import best_device
from asclf.model import AudioClassifier
from asclf.train.engine import Engine
from asclf.train.engine_torch import TorchEngine
from asclf.train.peers import Peers
from asclf.train.trainee import Trainee


def build_engine(
    config: ExperimentConfig, model: AudioClassifier, data: TrainingSet, peers: Peers | None = None
) -> Engine:
    """Puts a classifier, its objective and its optimizer into the engine that is configured.

    Args:
        config: The experiment.
        model: Its weights drawn or loaded.
        data: What it trains on.
        peers: Those that train together; alone where it is not given.
    """
    if config.train.channels_last:
        # only convolutions' weights have four dimensions; the others stay as they are
        model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    loss = config.loss.build(num_classes=len(data.labels))
    objective = config.objective.build(loss=loss, data=data)
    trainee = Trainee(model, objective, config.train.precision).to(best_device())
    optimizer = config.optimizer.build(model=model)
    return TorchEngine(trainee, optimizer, config.train, peers or Peers())
