"""What a run needs to go on where it stopped, in one safetensors file.

Schedules are functions of the step and every random draw has a seed made of its place (see
`asclf.data.seeds`), so weights, the optimizer's moments and the tally are all.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

from asclf.checkpoint import CheckpointMeta, load_tensors, save_tensors
from asclf.errors import CheckpointError
from asclf.train.tally import EpochTally, RunTally
from asclf.train.validation import Validation


def save_state(
    path: Path, tensors: Mapping[str, Tensor], tally: RunTally, meta: CheckpointMeta
) -> None:
    """Writes the state after a whole step.

    Args:
        path: Where to; the file that is there stays until the new one is whole.
        tensors: What the engine gave, and whatever else has to be kept.
        tally: The sums so far.
        meta: Configuration, labels, epoch.
    """
    save_tensors(path, tensors, CheckpointMeta(meta.config, meta.labels, meta.epoch, asdict(tally)))


def load_state(path: Path) -> tuple[dict[str, Tensor], RunTally]:
    """Reads what `save_state` wrote.

    Raises:
        CheckpointError: The file is broken, or a checkpoint.
    """
    tensors, meta = load_tensors(path)
    if "steps" not in meta.facts:
        raise CheckpointError("it is no state of a run", where=path, expected=path.name)
    facts = {**meta.facts}
    for name in ("skipped", "commits"):
        facts[name] = tuple(facts[name])
    facts["validations"] = tuple(Validation(*each) for each in facts.get("validations", ()))
    facts["current"] = _epoch_tally(facts.get("current", {}))
    return tensors, RunTally(**facts)


def _epoch_tally(facts: Mapping[str, Any]) -> EpochTally:
    return EpochTally(**{**facts, "skipped": tuple(facts.get("skipped", ()))})


def optimizer_tensors(optimizer: Optimizer) -> dict[str, Tensor]:
    """An optimizer's moments, named `optimizer.<number of the parameter>.<moment>`."""
    return {
        f"optimizer.{number}.{name}": value
        for number, moments in optimizer.state_dict()["state"].items()
        for name, value in moments.items()
        if value is not None  # momentum that is switched off
    }


def restore_optimizer(optimizer: Optimizer, tensors: Mapping[str, Tensor]) -> None:
    """Puts moments back that `optimizer_tensors` gave; other tensors are passed over."""
    state = optimizer.state_dict()
    state["state"] = _by_parameter(below("optimizer.", tensors))
    optimizer.load_state_dict(state)
    _lay_out_as_parameters(optimizer)


def _by_parameter(moments: Mapping[str, Tensor]) -> dict[int, dict[str, Tensor]]:
    state: dict[int, dict[str, Tensor]] = {}
    for key, tensor in moments.items():
        number, _, name = key.partition(".")
        state.setdefault(int(number), {})[name] = tensor
    return state


def below(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors whose names begin so, without that beginning."""
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
