"""The networks that benchmarks compare: ours by name, and classes of the PyPI package `macls`."""

from __future__ import annotations

import importlib

from torch import nn

from asclf.complexity import NUM_CLASSES, Network, usual_feat_dim
from asclf.registry import BACKBONES, HEADS

REFERENCE = "CAMPPlus"
MACLS_FEAT_DIM = 80
SAME_IN_MACLS = {
    "campplus": "CAMPPlus",
    "ecapa_tdnn": "EcapaTdnn",
    "eres2net": "ERes2Net",
    "eres2netv2": "ERes2NetV2",
    "panns_cnn6": "PANNS_CNN6",
    "panns_cnn10": "PANNS_CNN10",
    "panns_cnn14": "PANNS_CNN14",
    "res2net": "Res2Net",
    "resnet_se": "ResNetSE",
    "tdnn": "TDNN",
}
"""The class of macls that a backbone of ours is the same network as."""


def own(name: str, num_classes: int = NUM_CLASSES) -> Network:
    """A backbone of ours on the bins that it usually gets, with a linear head; random weights."""
    backbone = BACKBONES.get(name).build(feat_dim=usual_feat_dim(name))
    head = HEADS.get("linear").build(embed_dim=backbone.embed_dim, num_classes=num_classes)
    return Network(backbone, head)


def of_macls(name: str, num_classes: int = NUM_CLASSES) -> nn.Module:
    """A class of `macls.models` on 80 bins.

    Raises:
        ImportError: macls is not installed.
    """
    models = importlib.import_module("macls.models")
    model: nn.Module = getattr(models, name)(num_class=num_classes, input_size=MACLS_FEAT_DIM)
    return model
