"""What a run needs to go on where it stopped, in one safetensors file.

Schedules are functions of the step and every random draw has a seed made of its place (see
`asclf.data.seeds`), so weights, the optimizer's moments and the tally are all.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path

import torch
from torch import Tensor
from torch.optim import Optimizer

from asclf.checkpoint import CheckpointMeta, load_tensors, load_weights, save_tensors
from asclf.model import AudioClassifier
from asclf.train.tally import RunTally


def save_state(
    path: Path, model: AudioClassifier, optimizer: Optimizer, tally: RunTally, meta: CheckpointMeta
) -> None:
    """Writes the state after a whole epoch."""
    tensors = {f"model.{name}": tensor for name, tensor in model.state_dict().items()}
    tensors |= {f"optimizer.{name}": tensor for name, tensor in _moments(optimizer)}
    save_tensors(path, tensors, CheckpointMeta(meta.config, meta.labels, meta.epoch, asdict(tally)))


def load_state(path: Path, model: AudioClassifier, optimizer: Optimizer) -> RunTally:
    """Restores what `save_state` wrote into a fresh model and optimizer.

    Raises:
        CheckpointError: The file is broken or belongs to another model.
    """
    tensors, meta = load_tensors(path)
    load_weights(model, _below("model.", tensors), path)
    state = optimizer.state_dict()
    state["state"] = _by_parameter(_below("optimizer.", tensors))
    optimizer.load_state_dict(state)
    _lay_out_as_parameters(optimizer)
    lists = {name: tuple(meta.facts[name]) for name in ("skipped", "commits")}
    return RunTally(**{**meta.facts, **lists})


def _moments(optimizer: Optimizer) -> Iterator[tuple[str, Tensor]]:
    for number, moments in optimizer.state_dict()["state"].items():
        for name, value in moments.items():
            if value is not None:  # momentum that is switched off
                yield f"{number}.{name}", value


def _by_parameter(moments: Mapping[str, Tensor]) -> dict[int, dict[str, Tensor]]:
    state: dict[int, dict[str, Tensor]] = {}
    for key, tensor in moments.items():
        number, _, name = key.partition(".")
        state.setdefault(int(number), {})[name] = tensor
    return state


def _below(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {
        name.removeprefix(prefix): tensor
        for name, tensor in tensors.items()
        if name.startswith(prefix)
    }


def _lay_out_as_parameters(optimizer: Optimizer) -> None:
    """Gives moments the memory format of their parameters, which files do not keep.

    An uninterrupted run has them so, and which kernel computes a step may depend on it.
    """
    for parameter, moments in optimizer.state.items():
        for name, value in moments.items():
            if value.ndim > 1 and value.shape == parameter.shape:  # others have one format alone
                moments[name] = torch.empty_like(parameter).copy_(value)
