"""The checkpoints of PyPI's `macls` (AudioClassification-Pytorch): the `model.pth` of its folders.

`tests/parity` holds each of these families to the outputs of its class in macls.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import partial

from torch import Tensor

from asclf.weights.macls_resnets import blocks_in_a_row, blocks_in_stages
from asclf.weights.source import Source, Translate, renamed

SETTINGS = {
    "sample_rate": 16_000,
    "frontend": {
        "type": "fbank",
        "high_freq_hz": 0.0,
        "snip_edges": True,
        "level": "rms_-20",
        "floor_db": None,
    },
    "head": {"type": "linear"},
    "loss": {"type": "cross_entropy"},
}
"""What its configurations have by default: Kaldi's features of clips at −20 dB, less their mean."""

Name = Callable[[str], str | None]
"""A weight's name there → its name here, or `None` where nothing is computed with it."""


def ecapa_tdnn(name: str) -> str:
    """Our name of a weight of `EcapaTdnn`."""
    name = name.replace(".conv.conv.", ".conv.").replace(".norm.norm.", ".norm.")  # its TDNNBlock
    block = re.fullmatch(r"blocks\.([1-3])\.(.*)", name)
    if block is None:
        return renamed(name, ECAPA_TDNN)
    return f"backbone.blocks.{int(block[1]) - 1}.{renamed(block[2], ECAPA_TDNN_BLOCK)}"


ECAPA_TDNN = {
    "asp.conv.": "backbone.pool.scores.",
    "asp.tdnn.conv.": "backbone.pool.hidden.",
    "asp.tdnn.norm.": "backbone.pool.norm.",
    "asp_bn.norm.": "backbone.norm.",
    "blocks.0.": "backbone.stem.",
    "fc.conv.": "backbone.project.",
    "mfa.": "backbone.aggregate.",
    "output.": "head.output.",
}
ECAPA_TDNN_BLOCK = {
    "res2net_block.blocks.": "res2.convs.",
    "se_block.conv1.conv.": "excite.squeeze.",
    "se_block.conv2.conv.": "excite.expand.",
    "tdnn1.": "enter.",
    "tdnn2.": "leave.",
}


def tdnn(name: str) -> str:
    """Our name of a weight of `TDNN`."""
    name = name.replace(".conv.conv.", ".conv.").replace(".norm.norm.", ".norm.")  # its TDNNBlock
    layer = re.fullmatch(r"(td_layer|bn)([1-4])\.(\w+)", name)
    if layer is None:
        return renamed(name, TDNN)
    kind = {"td_layer": "conv", "bn": "norm"}[layer[1]]
    return f"backbone.layers.{int(layer[2]) - 1}.{kind}.{layer[3]}"


TDNN = {
    "bn5.": "backbone.embed.pooled_norm.",
    "bn6.": "backbone.embed.norm.",
    "fc.": "head.output.",
    "linear.": "backbone.embed.project.",
    "pooling.conv.": "backbone.embed.pool.scores.",
    "pooling.linear1.": "backbone.embed.pool.hidden.",
    "pooling.linear2.": "backbone.embed.pool.scores.",
    "pooling.tdnn.conv.": "backbone.embed.pool.hidden.",
    "pooling.tdnn.norm.": "backbone.embed.pool.norm.",
    "td_layer5.": "backbone.last.",
}


def campplus(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The weights of `CAMPPlus` by our names; its kernels have frequency before time."""
    enter, channels = "xvector.tdnn.linear.weight", len(weights["head.bn2.weight"])
    outputs, _, frames = weights[enter].shape  # channels and frequencies are one dimension there
    kernels = {enter: weights[enter].reshape(outputs, channels, -1, frames)}  # (C', C, F, T)
    return {
        campplus_name(name): value.transpose(2, 3) if value.dim() == 4 else value
        for name, value in {**weights, **kernels}.items()
    }


def campplus_name(name: str) -> str:
    """Our name of a weight of `CAMPPlus`."""
    name = name.replace(".batchnorm.", ".")
    residual = re.fullmatch(r"head\.layer([12])\.([01])\.(.*)", name)
    if residual:
        number = 2 * (int(residual[1]) - 1) + int(residual[2])
        return f"backbone.stem.blocks.{number}.{renamed(residual[3], CAMPPLUS_RESIDUAL)}"
    layer = re.fullmatch(r"xvector\.block(\d)\.tdnnd(\d+)\.(.*)", name)
    if layer:
        place = f"{int(layer[1]) - 1}.layers.{int(layer[2]) - 1}"
        return f"backbone.blocks.{place}.{renamed(layer[3], CAMPPLUS_LAYER)}"
    transit = re.fullmatch(r"xvector\.transit(\d)\.(.*)", name)
    if transit:
        return f"backbone.blocks.{int(transit[1]) - 1}.{renamed(transit[2], CAMPPLUS_TRANSIT)}"
    return renamed(name, CAMPPLUS)


CAMPPLUS = {
    "fc.": "head.output.",
    "head.bn1.": "backbone.stem.enter.norm.",
    "head.bn2.": "backbone.stem.leave.norm.",
    "head.conv1.": "backbone.stem.enter.conv.",
    "head.conv2.": "backbone.stem.leave.conv.",
    "xvector.dense.linear.": "backbone.project.",
    "xvector.dense.nonlinear.": "backbone.norm.",
    "xvector.out_nonlinear.": "backbone.leave_norm.",
    "xvector.tdnn.linear.": "backbone.enter.",
    "xvector.tdnn.nonlinear.": "backbone.enter_norm.",
}
CAMPPLUS_RESIDUAL = {
    "bn1.": "enter.norm.",
    "bn2.": "leave.norm.",
    "conv1.": "enter.conv.",
    "conv2.": "leave.conv.",
    "shortcut.0.": "shortcut.conv.",
    "shortcut.1.": "shortcut.norm.",
}
CAMPPLUS_LAYER = {
    "cam_layer.linear1.": "gate.0.",
    "cam_layer.linear2.": "gate.2.",
    "cam_layer.linear_local.": "local.",
    "linear1.": "enter.",
    "nonlinear1.": "enter_norm.",
    "nonlinear2.": "norm.",
}
CAMPPLUS_TRANSIT = {"linear.": "leave.", "nonlinear.": "norm."}


def panns(name: str) -> str | None:
    """Our name of a weight of `PANNS_CNN6`, `PANNS_CNN10` or `PANNS_CNN14`."""
    if name.startswith("fc_audioset."):  # never called there
        return None
    layer = re.fullmatch(r"conv_block(\d)\.(conv|bn)(\d)\.(\w+)", name)
    if layer is None:
        return renamed(name, PANNS)
    block, number = int(layer[1]) - 1, int(layer[3]) - 1
    kind = {"conv": "convs", "bn": "norms"}[layer[2]]
    return f"backbone.blocks.{block}.{kind}.{number}.{layer[4]}"


PANNS = {"bn0.": "backbone.norm.", "fc.": "head.output.", "fc1.": "backbone.project."}


def by_name(our_name: Name, weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The weights by our names, those without one left out."""
    named = {our_name(name): value for name, value in weights.items()}
    return {name: value for name, value in named.items() if name is not None}


TRANSLATIONS: Mapping[str, Translate] = {
    "campplus": campplus,
    "ecapa_tdnn": partial(by_name, ecapa_tdnn),
    "eres2net": blocks_in_stages,
    "panns": partial(by_name, panns),
    "res2net": blocks_in_a_row,
    "resnet_se": blocks_in_a_row,
    "tdnn": partial(by_name, tdnn),
}
SOURCES: Mapping[str, Source] = {
    family: Source("macls", translate, SETTINGS) for family, translate in TRANSLATIONS.items()
}
"""Family of backbones, which is the module that it is in: its source."""
