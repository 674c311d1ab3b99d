"""What the loop asks of an engine: to run steps, and to hand out and take back what it holds.

An engine is one process's view of the training: alone, or one of several ranks. What is called a
collective has to be called on every rank, in the same order.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Protocol

from torch import Generator, Tensor

from asclf.model import AudioClassifier
from asclf.protocols import Batch
from asclf.train.peers import Peers


@dataclass(frozen=True)
class StepResult:
    """What came of one step, over all ranks.

    Attributes:
        loss: Mean over the batch.
        grad_norm: Norm of the gradient before it was clipped.
        hits: Clips that had their target on top.
        clips: Clips in the batch.
    """

    loss: float
    grad_norm: float
    hits: int
    clips: int

    @property
    def is_finite(self) -> bool:
        """Whether both loss and gradient are; where they are not, no weight was changed.

        The statistics of batch norm were, in the forward pass: who steps puts those back.
        """
        return math.isfinite(self.loss) and math.isfinite(self.grad_norm)


class Engine(Protocol):
    """Holds a model and its optimizer, and runs the steps."""

    model: AudioClassifier
    peers: Peers

    @property
    def has_whole_weights(self) -> bool:
        """Whether `model` holds every weight whole between steps, on each rank."""
        ...

    @property
    def learning_rate(self) -> float:
        """That of the last step, of the first group of parameters."""
        ...

    def step(self, batch: Batch, lr_factor: float, generator: Generator) -> StepResult:
        """Augments a batch, computes its loss and gradient, and updates the weights; a collective.

        A loss or a gradient that is not finite leaves the weights as they were, though not the
        statistics of batch norm.

        Args:
            batch: This rank's part, as the data workers made it.
            lr_factor: What the scheduler makes of the learning rate in this step.
            generator: On the CPU, for the augmenters' draws.
        """
        ...

    def weights(self) -> dict[str, Tensor]:
        """The classifier's state, whole on rank 0; a collective."""
        ...

    def save_state(self, folder: Path, step: int) -> dict[str, Tensor]:
        """What is needed to go on after so many steps, whole on rank 0; a collective.

        An engine whose state is spread over ranks writes it below `folder` itself, and gives what
        is left.
        """
        ...

    def load_state(self, folder: Path, step: int, tensors: Mapping[str, Tensor]) -> None:
        """Takes back what `save_state` gave and wrote; a collective.

        Raises:
            CheckpointError: It belongs to another model.
        """
        ...


def split(batch: Batch, size: int | None) -> Iterator[Batch]:
    """Cuts a batch into parts of at most `size` clips."""
    size = size or len(batch.clip_ids)
    for start in range(0, len(batch.clip_ids), size):
        yield part_of(batch, start, start + size)


def split_into(batch: Batch, count: int) -> list[tuple[Batch, int]]:
    """Cuts a batch into so many parts, each with the number of clips that count in it.

    Where there are fewer clips than parts, some parts hold a clip that is in another one too, and
    none of theirs count.
    """
    clips = len(batch.clip_ids)
    bounds = [number * clips // count for number in range(count + 1)]
    return [
        (part_of(batch, start, stop) if stop > start else part_of(batch, 0, 1), stop - start)
        for start, stop in pairwise(bounds)
    ]


def part_of(batch: Batch, start: int, stop: int) -> Batch:
    """The clips of a batch from `start` up to `stop`."""
    return replace(
        batch,
        waveform=batch.waveform[start:stop],
        lengths=None if batch.lengths is None else batch.lengths[start:stop],
        targets=batch.targets[start:stop],
        clip_ids=batch.clip_ids[start:stop],
        soft_targets=None if batch.soft_targets is None else batch.soft_targets[start:stop],
    )


def count_hits(logits: Tensor, targets: Tensor) -> int:
    """Clips whose largest logit is that of their largest target; (B, C), (B, C)."""
    return int((logits.detach().argmax(1) == targets.argmax(1)).sum())
