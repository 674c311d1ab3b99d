"""The engine runs the steps: device, memory format, gradients, update. This one is plain torch."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from torch import Generator, Tensor, nn
from torch.optim import Optimizer

from asclf.config.experiment import TrainConfig
from asclf.device import best_device
from asclf.model import AudioClassifier
from asclf.protocols import Batch, Loss


@dataclass(frozen=True)
class StepResult:
    """What came of one step.

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
        """Whether both loss and gradient are."""
        return math.isfinite(self.loss) and math.isfinite(self.grad_norm)


class TorchEngine:
    """One process, one device.

    Args:
        model: The classifier; it is moved to the device.
        loss: Logits and targets to one number; moved likewise.
        config: Gradient clipping, memory format, micro-batches.
    """

    def __init__(self, model: AudioClassifier, loss: Loss, config: TrainConfig) -> None:
        self.device = best_device()
        self.model = model.to(self.device)
        if config.channels_last:
            # only convolutions' weights have four dimensions; the others stay as they are
            self.model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.loss: Loss = loss.to(self.device) if isinstance(loss, nn.Module) else loss
        self.config = config

    def step(
        self, batch: Batch, optimizer: Optimizer, lr_factor: float, generator: Generator
    ) -> StepResult:
        """Augments a batch, computes its loss and gradient, and updates the weights.

        A loss or a gradient that is not finite leaves the weights as they were.

        Args:
            batch: As the data workers made it.
            optimizer: Its groups hold their undamped learning rate as `initial_lr`.
            lr_factor: What the scheduler makes of that rate in this step.
            generator: On the CPU, for the augmenters' draws.
        """
        self.model.train()
        batch = self.model.augment_batch(batch, generator).to(self.device)
        optimizer.zero_grad(set_to_none=True)
        clips, loss, hits = len(batch.clip_ids), 0.0, 0
        for part in split(batch, self.config.micro_batch):
            logits = self.model.training_logits(part, generator)
            whole = self.loss(logits, part.targets) + self.model.penalty()
            share = whole * (len(part.clip_ids) / clips)
            share.backward()  # type: ignore[no-untyped-call]
            loss += share.item()
            hits += count_hits(logits, part.targets)
        result = StepResult(loss, self._clip_gradient(), hits, clips)
        if result.is_finite:
            update(optimizer, lr_factor)
        return result

    def _clip_gradient(self) -> float:
        limit = self.config.grad_clip or math.inf
        return nn.utils.clip_grad_norm_(self.model.parameters(), limit).item()


def update(optimizer: Optimizer, lr_factor: float) -> None:
    """Steps each group at its own learning rate times the factor."""
    for group in optimizer.param_groups:
        group["lr"] = group["initial_lr"] * lr_factor
    optimizer.step()


def split(batch: Batch, size: int | None) -> Iterator[Batch]:
    """Cuts a batch into parts of at most `size` clips."""
    size = size or len(batch.clip_ids)
    for start in range(0, len(batch.clip_ids), size):
        stop = start + size
        yield replace(
            batch,
            waveform=batch.waveform[start:stop],
            lengths=None if batch.lengths is None else batch.lengths[start:stop],
            targets=batch.targets[start:stop],
            clip_ids=batch.clip_ids[start:stop],
        )


def count_hits(logits: Tensor, targets: Tensor) -> int:
    """Clips whose largest logit is that of their largest target; (B, C), (B, C)."""
    return int((logits.detach().argmax(1) == targets.argmax(1)).sum())
