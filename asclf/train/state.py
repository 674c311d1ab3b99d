"""What a run needs to go on where it stopped, in one safetensors file.

Schedules are functions of the step and every random draw has a seed made of its place (see
`asclf.data.seeds`), so weights, the optimizer's moments and the number of the epoch are all.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor
from torch.optim import Optimizer

from asclf.checkpoint import CheckpointMeta, load_tensors, load_weights, save_tensors
from asclf.model import AudioClassifier


@dataclass
class Tally:
    """What adds up over a run.

    Attributes:
        epoch: Whole epochs done.
        seconds: Time spent in them.
        clips: Clips trained on, each counted as often as it was seen.
        skipped: Clips that could not be decoded, each with its reason, in the order found.
    """

    epoch: int = 0
    seconds: float = 0.0
    clips: int = 0
    skipped: tuple[str, ...] = ()


def save_state(
    path: Path, model: AudioClassifier, optimizer: Optimizer, tally: Tally, meta: CheckpointMeta
) -> None:
    """Writes the state after a whole epoch."""
    tensors = {f"model.{name}": tensor for name, tensor in model.state_dict().items()}
    for i, moments in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{i}.{name}": value for name, value in _tensors(moments)}
    facts = {"seconds": tally.seconds, "clips": tally.clips, "skipped": tally.skipped}
    save_tensors(path, tensors, CheckpointMeta(meta.config, meta.labels, tally.epoch, facts))


def load_state(path: Path, model: AudioClassifier, optimizer: Optimizer) -> Tally:
    """Restores what `save_state` wrote into a fresh model and optimizer.

    Raises:
        CheckpointError: The file is broken or belongs to another model.
    """
    tensors, meta = load_tensors(path)
    weights = {
        name.removeprefix("model."): tensor
        for name, tensor in tensors.items()
        if name.startswith("model.")
    }
    load_weights(model, weights, path)
    state = optimizer.state_dict()
    state["state"] = _moments(tensors)
    optimizer.load_state_dict(state)
    facts = meta.facts
    return Tally(meta.epoch, facts["seconds"], facts["clips"], tuple(facts["skipped"]))


def _tensors(moments: Mapping[str, Any]) -> list[tuple[str, Tensor]]:
    return [(name, value) for name, value in moments.items() if isinstance(value, Tensor)]


def _moments(tensors: Mapping[str, Tensor]) -> dict[int, dict[str, Tensor]]:
    state: dict[int, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        if name.startswith("optimizer."):
            _, number, moment = name.split(".", 2)
            state.setdefault(int(number), {})[moment] = tensor
    return state
