"""Names of the residual networks of `macls`: `Res2Net`, `ResNetSE`, `ERes2Net` and `ERes2NetV2`.

Their kernels have frequency before time.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from itertools import accumulate

from torch import Tensor

from asclf.weights.source import renamed

Place = Callable[[int, int], str]
"""Stage and number of a block there, from 0 → where it is here."""

BLOCK = re.compile(r"layer(?P<stage>[1-4])\.(?P<number>\d+)\.(?P<part>.*)")
CONVOLUTION = re.compile(r"(?P<kind>conv|bn)s\.(?P<number>\d+)\.(?P<weight>\w+)")
MODULES = {
    "fc.": "head.output.",
    "conv1.": "backbone.stem.conv.",
    "bn1.": "backbone.stem.norm.",
    "pooling.tdnn.conv.conv.": "backbone.embed.pool.hidden.",
    "pooling.tdnn.norm.norm.": "backbone.embed.pool.norm.",
    "pooling.conv.conv.": "backbone.embed.pool.scores.",
    "bn2.": "backbone.embed.pooled_norm.",
    "linear.": "backbone.embed.project.",
    "bn3.": "backbone.embed.norm.",
    "seg_1.": "backbone.project.",
    "layer1_downsample.": "backbone.fusions.0.down.",
    "layer2_downsample.": "backbone.fusions.1.down.",
    "layer3_downsample.": "backbone.fusions.2.down.",
    "layer3_ds.": "backbone.fusions.0.down.",
    "fuse_mode12.": "backbone.fusions.0.fuse.",
    "fuse_mode123.": "backbone.fusions.1.fuse.",
    "fuse_mode1234.": "backbone.fusions.2.fuse.",
    "fuse34.": "backbone.fusions.0.fuse.",
}
PARTS_OF_A_BLOCK = {
    "conv1.": "enter.conv.",
    "bn1.": "enter.norm.",
    "conv2.": "middle.conv.",
    "bn2.": "middle.norm.",
    "conv3.": "leave.conv.",
    "bn3.": "leave.norm.",
    "se.fc.0.": "gate.squeeze.",
    "se.fc.2.": "gate.excite.",
    "downsample.0.": "shortcut.conv.",
    "downsample.1.": "shortcut.norm.",
    "shortcut.0.": "shortcut.conv.",
    "shortcut.1.": "shortcut.norm.",
    "fuse_models.": "merges.",
}
PARTS_OF_A_FUSION = {
    ".local_att.0.": ".reduce.conv.",
    ".local_att.1.": ".reduce.norm.",
    ".local_att.3.": ".restore.conv.",
    ".local_att.4.": ".restore.norm.",
}


def blocks_in_a_row(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The weights of `Res2Net` or `ResNetSE` by our names: all blocks in one list."""
    found = [match for match in map(BLOCK.fullmatch, weights) if match]
    depths = [
        len({match["number"] for match in found if int(match["stage"]) == stage + 1})
        for stage in range(4)
    ]
    firsts = (0, *accumulate(depths))
    return _translate(weights, lambda stage, number: f"blocks.{firsts[stage] + number}")


def blocks_in_stages(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The weights of `ERes2Net` or `ERes2NetV2` by our names: the blocks of each stage apart."""
    return _translate(weights, lambda stage, number: f"stages.{stage}.blocks.{number}")


def _translate(weights: Mapping[str, Tensor], place: Place) -> dict[str, Tensor]:
    return {
        _our_name(name, place): value.transpose(2, 3) if value.ndim == 4 else value
        for name, value in weights.items()
    }


def _our_name(name: str, place: Place) -> str:
    for theirs, ours in PARTS_OF_A_FUSION.items():
        name = name.replace(theirs, ours)
    block = BLOCK.fullmatch(name)
    if block is None:
        return renamed(name, MODULES)
    part = _part_of_a_block(block["part"])
    return f"backbone.{place(int(block['stage']) - 1, int(block['number']))}.{part}"


def _part_of_a_block(name: str) -> str:
    convolution = CONVOLUTION.fullmatch(name)
    if convolution is None:
        return renamed(name, PARTS_OF_A_BLOCK)
    kind = {"conv": "conv", "bn": "norm"}[convolution["kind"]]
    return f"convs.{convolution['number']}.{kind}.{convolution['weight']}"
