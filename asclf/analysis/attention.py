"""What the global modules of SpectroMaskNet attend to: A_t, A_f and A_c."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from asclf.backbones.spectromasknet import GlobalWeights, SpectroMaskNet

AXES = ("temporal", "frequency", "channel")


@dataclass(frozen=True)
class Attention:
    """The weights of one module, each in (0, 1).

    Attributes:
        module: Branch and stage of the module, the last one of its stage.
        temporal: A_t (T',), the mean over channels where each has its own.
        frequency: A_f (F',), as A_t.
        channel: A_c (C,).
    """

    module: str
    temporal: NDArray[np.float32]
    frequency: NDArray[np.float32]
    channel: NDArray[np.float32]


def attention_maps(backbone: Any, feats: Tensor) -> list[Attention]:
    """The weights of the last global module of every stage, for feats (1, T, F).

    Empty for other networks, and where no branch has global modules.
    """
    modules = dict(_last_modules(backbone))
    seen: dict[tuple[str, str], Tensor] = {}

    def keep(key: tuple[str, str], output: Tensor) -> None:
        seen[key] = output

    hooks = [
        getattr(weights, axis).register_forward_hook(
            lambda *call, key=(name, axis): keep(key, call[-1])
        )
        for name, weights in modules.items()
        for axis in AXES
    ]
    with torch.no_grad():
        backbone(feats)
    for hook in hooks:
        hook.remove()
    return [_attention(name, *(seen[name, axis] for axis in AXES)) for name in modules]


def _last_modules(backbone: Any) -> Iterator[tuple[str, nn.Module]]:
    if isinstance(backbone, SpectroMaskNet):
        branches = {"global": backbone.global_branch, "local": backbone.local_branch}
        for name, branch in branches.items():
            for stage, modules in enumerate(branch.stages, 1):
                weights = getattr(modules[-1], "weigh", None)  # type: ignore[index]
                if isinstance(weights, GlobalWeights):
                    yield f"{name} branch, stage {stage}", weights


def _attention(module: str, over_time: Tensor, over_bins: Tensor, of_channels: Tensor) -> Attention:
    temporal, frequency = (
        map_.mean(1).flatten().numpy() for map_ in (over_time, over_bins)
    )  # (L,)
    return Attention(module, temporal, frequency, of_channels.flatten().numpy())
