"""Learning rates that fall from the head down to the first block.

Pre-trained weights are general where the sound comes in and particular where the classes go out, so
a small rate for the first blocks keeps what they know (arXiv 1801.06146, section 3.2; for
transformers arXiv 2106.08254).

Depth is the order in which a backbone declares its parts; the members of a list of blocks count one
by one. A part without a kernel (a norm, say) goes with the one before it, and what stands before
the first block (class tokens, positions, the front end) with that. A backbone whose parts do not
follow one another says so itself, with `blocks_by_depth() -> Sequence[Sequence[nn.Module]]`: what
lies side by side is in one of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain

from torch import nn
from torch.optim import Optimizer

from asclf.model import AudioClassifier


def apply_layer_decay(optimizer: Optimizer, model: AudioClassifier, decay: float) -> None:
    """Splits an optimizer's groups by depth, each with its own learning rate, the head's first.

    Weight decay and all else stay as they are in each group.

    Args:
        optimizer: Over the model's weights; before its first step.
        model: The classifier.
        decay: Rate of a block by that of the next one, the head being the last.
    """
    scales = lr_scales(model, decay)
    groups = []
    for group in optimizer.param_groups:
        for scale in sorted(set(scales.values()), reverse=True):
            params = [p for p in group["params"] if scales.get(p, 1.0) == scale]
            if params:
                groups.append({**group, "params": params, "lr": group["lr"] * scale})
    optimizer.param_groups[:] = sorted(groups, key=lambda group: -group["lr"])


def lr_scales(model: AudioClassifier, decay: float) -> dict[nn.Parameter, float]:
    """What the learning rate of each weight is multiplied by: 1 in the head, and so on down."""
    blocks = layers(model)
    return {
        parameter: decay ** (len(blocks) - 1 - depth)
        for depth, parameters in enumerate(blocks)
        for parameter in parameters
    }


def layers(model: AudioClassifier) -> list[list[nn.Parameter]]:
    """A classifier's weights by depth, from the first block to the head, each weight once."""
    head = _parameters([model.get_submodule("head")])
    blocks = [_parameters(block) for block in _blocks(model.get_submodule("backbone"))]
    placed = {*head, *chain(*blocks)}
    found = [[p for p in model.parameters() if p not in placed]]
    has_kernel = False
    for parameters in blocks:
        if has_kernel and any(p.ndim >= 2 for p in parameters):
            found.append([])
        has_kernel |= any(p.ndim >= 2 for p in parameters)
        found[-1] += parameters
    return [*filter(None, found), head]


def _parameters(modules: Iterable[nn.Module]) -> list[nn.Parameter]:
    return [parameter for module in modules for parameter in module.parameters()]


def _blocks(backbone: nn.Module) -> Sequence[Sequence[nn.Module]]:
    named = getattr(backbone, "blocks_by_depth", None)
    if named is not None:
        by_depth: Sequence[Sequence[nn.Module]] = named()
        return by_depth
    return [[block] for block in _members(backbone)]


def _members(module: nn.Module) -> Iterator[nn.Module]:
    """The parts of a module in their order; a list whose members have parts is opened."""
    for child in module.children():
        parts = child.children() if isinstance(child, nn.ModuleList | nn.Sequential) else ()
        if any([*part.children()] for part in parts):
            yield from _members(child)
        else:
            yield child
