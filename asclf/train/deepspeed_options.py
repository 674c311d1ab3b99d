"""What DeepSpeed is told: a ZeRO stage or its own options, and what follows from the experiment."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from asclf.config.experiment import ExperimentConfig
from asclf.errors import ConfigError

FOLLOWS_FROM = {
    "train_batch_size": "data.batch_size",
    "train_micro_batch_size_per_gpu": "train.micro_batch",
    "gradient_accumulation_steps": "train.micro_batch",
    "gradient_clipping": "train.grad_clip",
    "optimizer": "optimizer",
    "scheduler": "scheduler",
    "fp16": "train.precision",
    "bf16": "train.precision",
    "torch_autocast": "train.precision",
}
"""Options of DeepSpeed's that the experiment decides, and by what."""

BUCKETS = {
    "reduce_bucket_size": 5_000_000,
    "allgather_bucket_size": 5_000_000,
    "stage3_prefetch_bucket_size": 5_000_000,
}
"""Numbers that travel at once: DeepSpeed's own 5 × 10⁸ would take more memory than most networks
here, twice."""


@dataclass(frozen=True)
class DeepSpeedOptions:
    """What DeepSpeed is told.

    Attributes:
        given: The user's file, or the stage alone.
        where: The file, for messages.
        parts: Micro-batches in which each rank takes its part of a batch.
        micro_batch: Clips in one of them.
        grad_clip: Largest norm of the gradient, or 0.
    """

    given: Mapping[str, Any]
    where: str
    parts: int
    micro_batch: int
    grad_clip: float

    @property
    def stage(self) -> int:
        """The ranks divide moments from 1 on, gradients from 2 on, and weights in 3."""
        return int(self.given.get("zero_optimization", {}).get("stage", 0))

    @property
    def recomputes(self) -> bool:
        """Whether activations are computed again in the backward pass."""
        return "activation_checkpointing" in self.given

    def as_dict(self) -> dict[str, Any]:
        """All of it, in DeepSpeed's words."""
        return {
            **self.given,
            "zero_optimization": {**BUCKETS, **self.given.get("zero_optimization", {})},
            "train_micro_batch_size_per_gpu": self.micro_batch,
            "gradient_accumulation_steps": self.parts,
            "gradient_clipping": self.grad_clip if self.stage else 0.0,  # the engine does it in 0
            "zero_allow_untested_optimizer": True,  # every one that is registered may be taken
            "zero_force_ds_cpu_optimizer": False,
        }


def deepspeed_options(config: ExperimentConfig, world_size: int) -> DeepSpeedOptions:
    """Reads what `train.deepspeed` names.

    Raises:
        ConfigError: It is no file of DeepSpeed's, or sets what the experiment decides.
    """
    named = config.train.deepspeed
    given = {"zero_optimization": {"stage": named}} if isinstance(named, int) else _read(named)
    for key in given:
        if key in FOLLOWS_FROM:
            raise ConfigError(
                f"it sets {key!r}", where=named, hint=f"set `{FOLLOWS_FROM[key]}` instead"
            )
    share = config.data.batch_size // world_size
    micro_batch = min(config.train.micro_batch or share, share)
    parts = math.ceil(share / micro_batch)
    return DeepSpeedOptions(given, str(named), parts, micro_batch, config.train.grad_clip)


def _read(name: str) -> dict[str, Any]:
    expected = "0, 1, 2, 3, or a JSON file of DeepSpeed's options"
    try:
        given = json.loads(Path(name).read_bytes())
    except (OSError, ValueError) as error:
        what = f"`train.deepspeed` cannot be read: {error}"
        raise ConfigError(what, where=name, expected=expected) from error
    if not isinstance(given, dict):
        raise ConfigError("`train.deepspeed` holds no options", where=name, expected=expected)
    return given
