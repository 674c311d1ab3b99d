"""Which cells of the plane a class was recognised by: Grad-CAM.

Selvaraju et al., "Grad-CAM: Visual explanations from deep networks via gradient-based
localization", ICCV 2017: the feature maps of the last layer that has any, weighed by the mean of
the gradient of the class's logit.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from asclf.analysis.figure import Map
from asclf.backbones.spectromasknet import SpectroMaskNet
from asclf.errors import DataError
from asclf.model import AudioClassifier


def grad_cams(model: AudioClassifier, feats: Tensor, target: int) -> dict[str, Map]:
    """The relevance of each cell for a class, by part of the network.

    Not rectified: below zero, a cell speaks against the class. Relevances of several parts add up,
    since they are on the scale of the logit.

    Args:
        model: In evaluation mode.
        feats: (1, T, F).
        target: Number of the class.

    Returns:
        (T, F) for each branch of SpectroMaskNet; of other networks one, `network`.

    Raises:
        DataError: The network has no feature maps of time and frequency.
    """
    parts = parts_of(model.backbone)
    axes = {name: _time_axis(model, part, feats) for name, part in parts.items()}
    with _recorded(parts) as maps:
        logit = model.classify_feats(feats.detach().requires_grad_())[0, target]
        last = {name: maps[name] for name in parts}
        grads = torch.autograd.grad(logit, list(last.values()))
    cams = {}
    for (name, layer), grad in zip(last.items(), grads, strict=True):
        cam = (layer * grad.mean((2, 3), keepdim=True)).sum(1, keepdim=True)  # (1, 1, T', F')
        upright = cam if axes[name] == 2 else cam.transpose(2, 3)
        cams[name] = _spread(upright.detach(), feats)
    return cams


def parts_of(backbone: Any) -> dict[str, nn.Module]:
    """The parts of a network that are looked at one by one, by name."""
    if isinstance(backbone, SpectroMaskNet):
        return {"global": backbone.global_branch, "local": backbone.local_branch}
    return {"network": backbone}


def _spread(cam: Tensor, feats: Tensor) -> Map:
    size = (feats.shape[1], feats.shape[2])
    whole = interpolate(cam, size=size, mode="bilinear", align_corners=False)  # (1, 1, T, F)
    values: Map = whole[0, 0].numpy()
    return values


def _time_axis(model: AudioClassifier, part: nn.Module, feats: Tensor) -> int:
    """Which axis of the last maps of a part is time, 2 or 3: the one that grows with the clip."""
    sizes = []
    for frames in (feats, torch.cat([feats, feats], dim=1)):
        with torch.no_grad(), _recorded({"part": part}) as maps:
            model.classify_feats(frames)
        if "part" not in maps:
            break
        sizes.append(maps["part"].shape)
    grows = [axis for axis in (2, 3) if len(sizes) == 2 and sizes[1][axis] > sizes[0][axis]]
    if len(grows) != 1:
        raise DataError(
            "it has no feature maps of time and frequency to look into",
            where=type(model.backbone).__name__,
            expected="a network of two-dimensional convolutions that hears clips of any length",
        )
    return grows[0]


@contextmanager
def _recorded(parts: Mapping[str, nn.Module]) -> Iterator[dict[str, Tensor]]:
    """Records the last feature maps (B, C, ·, ·) that each part gives, as they are computed."""
    found: dict[str, Tensor] = {}

    def keep(name: str, output: Any) -> None:
        if isinstance(output, Tensor) and output.dim() == 4 and min(output.shape[2:]) > 1:
            found[name] = output

    hooks = [
        module.register_forward_hook(lambda *call, name=name: keep(name, call[-1]))
        for name, part in parts.items()
        for module in part.modules()
    ]
    try:
        yield found
    finally:
        for hook in hooks:
            hook.remove()
