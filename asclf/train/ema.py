"""An exponential moving average of the weights, kept beside those that are trained.

    average ← d · average + (1 − d) · weights        after each step that changed them

In the first steps d is smaller than configured, (1 + n) / (10 + n) after n of them, so that the
weights of the start, which mean nothing, are soon forgotten (as in TensorFlow's
tf.train.ExponentialMovingAverage with `num_updates`).

The statistics of batch norm are averaged as the weights are: they are moving averages themselves,
of the networks that the weights are averaged over.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from asclf.errors import ConfigError
from asclf.train.engine import Engine
from asclf.train.state import below

PREFIX = "ema."
COUNT = "ema_updates"


class MovingAverage:
    """The moving average of a network's weights and statistics.

    Args:
        model: The network, every weight of it whole; it is copied.
        decay: The largest d.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        update = partial(_update, decay=decay)
        self._averaged = AveragedModel(model, multi_avg_fn=update, use_buffers=True)

    @classmethod
    def of(cls, engine: Engine, decay: float | None) -> MovingAverage | None:
        """That of an engine's network; `None` where none is wanted.

        Raises:
            ConfigError: The engine has not the whole of it.
        """
        if decay is None:
            return None
        if not engine.has_whole_weights:
            raise ConfigError(
                "`train.ema` needs the weights whole, and here every process holds a part of them",
                hint="take a ZeRO stage below 3, or leave train.ema out",
            )
        return cls(engine.model, decay)

    def update(self, model: nn.Module) -> None:
        """Takes in what a step made of the network; the first time, all of it."""
        self._averaged.update_parameters(model)

    def weights(self) -> dict[str, Tensor]:
        """The average, with the names of the network."""
        return self._averaged.module.state_dict()

    def tensors(self) -> dict[str, Tensor]:
        """What a run needs to go on: the average, and of how many steps it is."""
        named = {f"{PREFIX}{name}": tensor for name, tensor in self.weights().items()}
        return {**named, COUNT: self._averaged.n_averaged}

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Takes back what `tensors` gave; others are passed over."""
        self._averaged.module.load_state_dict(below(PREFIX, tensors))
        self._averaged.n_averaged.copy_(tensors[COUNT])


@torch.no_grad()
def _update(
    averages: list[Tensor], weights: list[Tensor], updates: Tensor, *, decay: float
) -> None:
    if not averages[0].is_floating_point():  # batch norm's counters
        torch._foreach_copy_(averages, weights)
        return
    count = int(updates)
    torch._foreach_lerp_(averages, weights, 1 - min(decay, (1 + count) / (10 + count)))
