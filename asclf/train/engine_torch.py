"""The engine of plain torch: one process, or several through DistributedDataParallel."""

from __future__ import annotations

import math
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from inspect import signature
from pathlib import Path
from typing import Any

import torch
from torch import Generator, Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from torch.optim import Optimizer

from asclf.checkpoint import load_weights
from asclf.config.experiment import TrainConfig
from asclf.protocols import Batch
from asclf.train.engine import StepResult, count_hits, split
from asclf.train.peers import Peers
from asclf.train.state import below, optimizer_tensors, restore_optimizer
from asclf.train.trainee import Trainee

SCALE = ("scale", "_growth_tracker")
"""What changes in the state of torch's GradScaler."""


class TorchEngine:
    """Steps on one device; implements `asclf.train.engine.Engine`.

    The ranks' gradients are averaged while they are computed. Each clip weighs the same, since all
    ranks' parts of a batch are equally large; one that cannot be decoded makes the other clips of
    its own rank weigh a little more.

    Args:
        trainee: Classifier and objective, on their device.
        optimizer: Over the classifier's weights.
        config: Gradient clipping and micro-batches.
        peers: Those that train together.
    """

    has_whole_weights = True

    def __init__(
        self, trainee: Trainee, optimizer: Optimizer, config: TrainConfig, peers: Peers
    ) -> None:
        self.trainee = trainee
        self.model = trainee.model
        self.network = share_gradients(trainee) if peers.world_size > 1 else trainee
        self.optimizer = optimizer
        self.config = config
        self.peers = peers
        self.device = next(trainee.parameters()).device
        half = trainee.precision == "fp16"
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=half)
        for group in optimizer.param_groups:
            group["initial_lr"] = group["lr"]

    @property
    def learning_rate(self) -> float:
        """That of the last step, of the first group of parameters."""
        return float(self.optimizer.param_groups[0]["lr"])

    def step(self, batch: Batch, lr_factor: float, generator: Generator) -> StepResult:
        """As `Engine.step` says."""
        self.trainee.train()
        batch = self.trainee.augment(batch, generator).to(self.device)
        self.optimizer.zero_grad(set_to_none=True)
        sums = self._accumulate(batch, generator)
        loss, hits, clips = self.peers.totals([*sums, len(batch.clip_ids)])
        result = StepResult(loss / clips, self._clip_gradient(), int(hits), int(clips))
        if result.is_finite:
            self._update(lr_factor)
        self.scaler.update()
        return result

    def weights(self) -> dict[str, Tensor]:
        """The classifier's state."""
        return self.model.state_dict()

    def save_state(self, folder: Path, step: int) -> dict[str, Tensor]:  # noqa: ARG002
        """Weights, the optimizer's moments, and the scale of the loss where there is one."""
        tensors = {f"model.{name}": tensor for name, tensor in self.weights().items()}
        return tensors | optimizer_tensors(self.optimizer) | self._scale()

    def load_state(
        self,
        folder: Path,
        step: int,  # noqa: ARG002
        tensors: Mapping[str, Tensor],
    ) -> None:
        """Takes back what `save_state` gave."""
        load_weights(self.model, below("model.", tensors), folder)
        restore_optimizer(self.optimizer, tensors)
        if self.scaler.is_enabled():
            scale = {name: value.item() for name, value in below("scaler.", tensors).items()}
            self.scaler.load_state_dict({**self.scaler.state_dict(), **scale})

    def _accumulate(self, batch: Batch, generator: Generator) -> tuple[float, int]:
        """Adds up the gradient part by part; the sum of the clips' losses, and the hits."""
        loss, hits, clips = 0.0, 0, len(batch.clip_ids)
        parts = list(split(batch, self.config.micro_batch))
        for number, part in enumerate(parts, 1):
            with self._meeting(last=number == len(parts)):
                mean, logits = self.network(part, generator)
                share = mean * (len(part.clip_ids) / clips)
                self.scaler.scale(share).backward()
            loss += mean.item() * len(part.clip_ids)
            hits += count_hits(logits, part.targets)
        return loss, hits

    def _meeting(self, *, last: bool) -> AbstractContextManager[None]:
        """Lets the ranks' gradients meet in the last part alone."""
        if last or not isinstance(self.network, DistributedDataParallel):
            return nullcontext()
        return self.network.no_sync()

    def _clip_gradient(self) -> float:
        self.scaler.unscale_(self.optimizer)
        limit = self.config.grad_clip or math.inf
        return nn.utils.clip_grad_norm_(self.model.parameters(), limit).item()

    def _update(self, lr_factor: float) -> None:
        """Steps each group at its own learning rate times the factor."""
        for group in self.optimizer.param_groups:
            group["lr"] = group["initial_lr"] * lr_factor
        self.scaler.step(self.optimizer)

    def _scale(self) -> dict[str, Tensor]:
        state = self.scaler.state_dict()
        return {f"scaler.{name}": torch.tensor(state[name]) for name in SCALE if name in state}


def share_gradients(trainee: Trainee) -> DistributedDataParallel:
    """Wraps a trainee so that the ranks' gradients are averaged, and begin with rank 0's weights.

    Buffers are not broadcast in each step: nothing reads batch norm's statistics in training, and
    what is saved are rank 0's.
    """
    known = signature(DistributedDataParallel).parameters
    name = "forward_sync_buffers" if "forward_sync_buffers" in known else "broadcast_buffers"
    options: dict[str, Any] = {name: False}
    return DistributedDataParallel(trainee, gradient_as_bucket_view=True, **options)
