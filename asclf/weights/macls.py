"""The checkpoints of PyPI's `macls` (AudioClassification-Pytorch): the `model.pth` of its folders.

`tests/parity` holds each of these families to the outputs of its class in macls.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import partial

from torch import Tensor

from asclf.weights.source import Source, renamed

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
    for theirs, ours in {".conv.conv.": ".0.", ".norm.norm.": ".2."}.items():  # its TDNNBlock
        name = name.replace(theirs, ours)
    block = re.fullmatch(r"blocks\.([1-3])\.(.*)", name)
    if block is None:
        return renamed(name, ECAPA_TDNN)
    return f"backbone.blocks.{int(block[1]) - 1}.{renamed(block[2], ECAPA_TDNN_BLOCK)}"


ECAPA_TDNN = {
    "asp.0.": "backbone.pool.attention.2.",
    "asp.tdnn.": "backbone.pool.attention.0.",
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


def translate(our_name: Name, weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The weights by our names, those without one left out."""
    named = {our_name(name): value for name, value in weights.items()}
    return {name: value for name, value in named.items() if name is not None}


SOURCES: Mapping[str, Source] = {
    family: Source("macls", partial(translate, our_name), SETTINGS)
    for family, our_name in {
        "ecapa_tdnn": ecapa_tdnn,
        "panns": panns,
    }.items()
}
"""Family of backbones, which is the module that it is in: its source."""
