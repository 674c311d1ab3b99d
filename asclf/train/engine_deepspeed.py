"""The engine of DeepSpeed: optimizer, gradients and weights divided among the ranks (ZeRO 0 to 3).

The only module that imports it. DeepSpeed keeps the weights in float32 and computes their gradients
through its own hooks; precision is autocast's, inside the trainee, so that features stay float32
whatever the network computes in. fp16 has the loss scaled by DeepSpeed's scalers.
"""

from __future__ import annotations

import logging
import math
import os
import shutil
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import deepspeed
import torch
from deepspeed.ops import __compatible_ops__ as compatible_ops
from deepspeed.runtime.fp16.loss_scaler import DynamicLossScaler
from deepspeed.utils import logger as deepspeed_logger
from torch import Generator, Tensor, distributed, nn
from torch.distributed import HashStore  # type: ignore[attr-defined]
from torch.func import functional_call
from torch.optim import Optimizer

from asclf.errors import CheckpointError, ConfigError
from asclf.protocols import Batch
from asclf.train.deepspeed_options import DeepSpeedOptions
from asclf.train.engine import StepResult, count_hits, split_into
from asclf.train.peers import Peers
from asclf.train.trainee import Trainee

FOLDER = "deepspeed"
SHAPE = "deepspeed.stage_and_ranks"
SCALE_GROWS_AFTER_STEPS = 2000
FIRST_SCALE = 2.0**16


class DeepSpeedEngine:
    """Steps on several ranks; implements `asclf.train.engine.Engine`.

    Every rank cuts its part of a batch into the same number of micro-batches, since the ranks meet
    in each of them.

    Args:
        trainee: Classifier and objective, on their device.
        optimizer: Over the classifier's weights.
        options: What DeepSpeed is told.
        peers: Those that train together.

    Raises:
        ConfigError: Activations are to be recomputed, and the backbone offers no blocks for it.
    """

    def __init__(
        self, trainee: Trainee, optimizer: Optimizer, options: DeepSpeedOptions, peers: Peers
    ) -> None:
        self.trainee = trainee
        self.model = trainee.model
        self.optimizer = optimizer
        self.options = options
        self.peers = peers
        self.device = next(trainee.parameters()).device
        self.shapes = {name: tensor.shape for name, tensor in self.model.state_dict().items()}
        for group in optimizer.param_groups:
            group["initial_lr"] = group["lr"]
        optimizer.register_step_pre_hook(self._leave_weights_unless_finite)
        self._is_finite = True
        self._saved: str | None = None
        self.engine = self._start()
        if options.recomputes:
            recompute_activations(trainee, options)
        if trainee.precision == "fp16":
            self._scale_loss()

    @property
    def has_whole_weights(self) -> bool:
        """Whether each rank's model is whole between steps: not in stage 3."""
        return self.options.stage < 3

    @property
    def learning_rate(self) -> float:
        """That of the last step, of the first group of parameters."""
        return float(self.optimizer.param_groups[0]["lr"])

    def step(self, batch: Batch, lr_factor: float, generator: Generator) -> StepResult:
        """As `Engine.step` says."""
        self.trainee.train()
        batch = self.trainee.augment(batch, generator).to(self.device)
        sums = self._accumulate(batch, generator)
        loss, hits, clips = self.peers.totals([*sums, len(batch.clip_ids)])
        norm = self._update(loss, lr_factor)
        return StepResult(loss / clips, norm, int(hits), int(clips))

    def weights(self) -> dict[str, Tensor]:
        """The classifier's state, gathered where it is divided; on rank 0 alone."""
        divided = [p for p in self.model.parameters() if not getattr(p, "ds_persist", True)]
        with deepspeed.zero.GatheredParameters(divided, enabled=bool(divided)):
            state = self.model.state_dict() if self.peers.leads else {}
            return {name: state[name].detach().clone().view(self.shapes[name]) for name in state}

    def save_state(self, folder: Path, step: int) -> dict[str, Tensor]:
        """The weights; all else is in DeepSpeed's own files below `folder`.

        Those of the state before stay too, since the run folder still names that one.
        """
        tag = f"step_{step}"
        self.engine.save_checkpoint(str(folder / FOLDER), tag=tag, save_latest=False)
        if self.peers.leads:
            remove_all_but(folder / FOLDER, {tag, self._saved})
        self._saved = tag
        named = {f"model.{name}": tensor for name, tensor in self.weights().items()}
        return {**named, SHAPE: torch.tensor(self._shape())}

    def load_state(self, folder: Path, step: int, tensors: Mapping[str, Tensor]) -> None:
        """Takes back what `save_state` wrote.

        Raises:
            CheckpointError: It is not there, or of another stage or number of ranks.
        """
        found = tuple(tensors[SHAPE].tolist()) if SHAPE in tensors else None
        if found != self._shape():
            raise CheckpointError(
                f"its state is of ZeRO stage and processes {found}",
                where=folder,
                expected=f"{self._shape()}: what is divided can only be taken up as it was",
            )
        tag = f"step_{step}"
        if not (folder / FOLDER / tag).is_dir():
            raise CheckpointError("DeepSpeed's files are gone", where=folder / FOLDER / tag)
        self.engine.load_checkpoint(str(folder / FOLDER), tag=tag)
        self._saved = tag

    def _start(self) -> Any:
        deepspeed_logger.setLevel(logging.WARNING)
        # it calls what torch has given other names
        warnings.filterwarnings("ignore", r"`torch\.distributed\.", FutureWarning)
        compatible_ops["deepspeed_shm_comm"] = False  # compiled at the start, and never called
        if not distributed.is_initialized():
            join_alone(self.device)
        network = PlainTrainee(self.trainee) if self.has_whole_weights else self.trainee
        self.trainee.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
        spare_scalars(network, self.options.stage)
        engine, *_ = deepspeed.initialize(
            model=network, optimizer=self.optimizer, config=self.options.as_dict()
        )
        return engine

    def _scale_loss(self) -> None:
        """DeepSpeed scales the loss only where the weights are fp16, or before it clips."""
        if self.options.stage == 0:
            self.engine.torch_autocast_z0_gradscaler = torch.amp.GradScaler(self.device.type)
            return
        self.engine.optimizer.loss_scaler = DynamicLossScaler(
            init_scale=FIRST_SCALE,
            scale_window=SCALE_GROWS_AFTER_STEPS,
            min_scale=1.0,
            delayed_shift=1,
            consecutive_hysteresis=False,
            raise_error_at_min_scale=False,
        )

    def _accumulate(self, batch: Batch, generator: Generator) -> tuple[float, int]:
        """Adds up the gradient part by part; the sum of the clips' losses, and the hits."""
        loss, hits, clips = 0.0, 0, len(batch.clip_ids)
        parts = split_into(batch, self.options.parts)
        for number, (part, weight) in enumerate(parts, 1):
            mean, logits = self.engine(part, generator)
            self.engine.backward(mean * (weight / clips), scale_wrt_gas=False)
            if number < len(parts):
                self.engine.step()  # counts the part
            if weight:
                loss += mean.item() * weight
                hits += count_hits(logits, part.targets)
        return loss, hits

    def _update(self, loss: float, lr_factor: float) -> float:
        """Steps each group at its own rate times the factor; the norm of the gradient."""
        for group in self.optimizer.param_groups:
            group["lr"] = group["initial_lr"] * lr_factor
        norm = self._clip_plainly() if self.options.stage == 0 else None
        self._is_finite = math.isfinite(loss) and (norm is None or math.isfinite(norm))
        self.engine.step()
        if norm is None:
            norm = float(self.engine.get_global_grad_norm())
        return norm if norm >= 0 else math.inf  # DeepSpeed's -1 is no number

    def _clip_plainly(self) -> float:
        """Clips in stage 0, where DeepSpeed tells no norm; the norm of the gradient before."""
        scaler = self.engine.torch_autocast_z0_gradscaler
        scale = 1.0 if scaler is None else scaler.get_scale()
        limit = scale * (self.options.grad_clip or math.inf)
        return nn.utils.clip_grad_norm_(self.model.parameters(), limit).item() / scale

    def _leave_weights_unless_finite(self, optimizer: Optimizer, *_: object) -> None:
        """Takes the gradients away just before they would be used."""
        if not self._is_finite:
            optimizer.zero_grad(set_to_none=True)

    def _shape(self) -> tuple[int, int]:
        return self.options.stage, self.peers.world_size


class PlainTrainee(nn.Module):
    """A trainee whose weights have the plain memory format, since DeepSpeed takes no other.

    In that a CPU trains convolutions 2 to 5 times slower; so each forward first lays those kernels
    out as channels-last that were so, which is quick.
    """

    def __init__(self, trainee: Trainee) -> None:
        super().__init__()
        self.trainee = trainee
        self.kernels = [
            name
            for name, p in trainee.named_parameters()
            if p.ndim == 4 and p.is_contiguous(memory_format=torch.channels_last)
        ]

    def forward(self, batch: Batch, generator: Generator) -> Any:
        """As the trainee's."""
        # a clone: `contiguous` leaves a kernel of one channel as it is, and the maps after it too
        kernels = {
            name: self.trainee.get_parameter(name).clone(memory_format=torch.channels_last)
            for name in self.kernels
        }
        return functional_call(self.trainee, kernels, (batch, generator))


def join_alone(device: torch.device) -> None:
    """Makes the group of one process that DeepSpeed wants where nothing launched several."""
    os.environ.setdefault("LOCAL_RANK", "0")
    backend = "gloo" if device.type == "cpu" else "nccl"
    distributed.init_process_group(backend, store=HashStore(), rank=0, world_size=1)


def spare_scalars(network: nn.Module, stage: int) -> None:
    """Keeps DeepSpeed from broadcasting weights without dimensions, which it cannot."""
    for parameter in network.parameters():
        if parameter.ndim == 0 and stage == 3:
            parameter.data = parameter.data.view(1)
        elif parameter.ndim == 0:
            # an attribute of DeepSpeed's own, with which it passes over a weight; all ranks drew it
            # alike
            parameter.ds_optim_param = True  # type: ignore[attr-defined]


def recompute_activations(trainee: Trainee, options: DeepSpeedOptions) -> None:
    """Lets DeepSpeed compute a backbone's blocks again in the backward pass, to keep less.

    Raises:
        ConfigError: The backbone has no `recomputable()`.
    """
    blocks = getattr(trainee.model.backbone, "recomputable", None)
    if blocks is None:
        raise ConfigError(
            "the backbone offers no blocks to compute again",
            where=options.where,
            hint="take `activation_checkpointing` out",
        )
    deepspeed.checkpointing.configure(None, deepspeed_config=options.as_dict())
    for block in blocks():
        block.forward = _recomputed(block.forward)


def _recomputed(forward: Any) -> Any:
    def run(*args: Any) -> Any:
        if not torch.is_grad_enabled():
            return forward(*args)
        return deepspeed.checkpointing.checkpoint(forward, *args)

    return run


def remove_all_but(folder: Path, names: set[str | None]) -> None:
    """Removes the other folders in a folder."""
    for path in folder.iterdir():
        if path.is_dir() and path.name not in names:
            shutil.rmtree(path)
