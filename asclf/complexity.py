"""What a network costs: parameters, and multiply-accumulates counted on the meta device."""

from __future__ import annotations

import copy
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from asclf.protocols import Backbone, Head
from asclf.registry import BACKBONES, HEADS

FEAT_DIM = 80
FRAMES_5_S = 500
NUM_CLASSES = 50


@dataclass(frozen=True)
class Complexity:
    """The cost of a backbone with its head.

    Attributes:
        parameters: Numbers that training may change.
        macs: Multiply-accumulates of convolutions and matrix products for one input; what is
            done element by element (norms, activations) is not counted.
    """

    parameters: int
    macs: int


class Network(nn.Module):
    """Backbone and head as one module, feats (B, T, F) → logits (B, C)."""

    def __init__(self, backbone: Backbone, head: Head) -> None:
        super().__init__()
        self.backbone = backbone
        self.head = head

    def forward(self, feats: Tensor) -> Tensor:
        """Feats (B, T, F), no clip padded → logits (B, C)."""
        return self.head(self.backbone(feats))


def complexity_of(network: nn.Module, frames: int, feat_dim: int) -> Complexity:
    """Counts the cost of a network for feats (1, frames, feat_dim); the network stays as it is."""
    network = copy.deepcopy(network).to("meta").eval()
    feats = torch.empty(1, frames, feat_dim, device="meta")
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        network(feats)
    parameters = sum(parameter.numel() for parameter in network.parameters())
    return Complexity(parameters, counter.get_total_flops() // 2)


def usual_feat_dim(name: str) -> int:
    """Bins of the feats that a backbone is usually built for: its own `usual_feat_dim`, or 80."""
    return int(getattr(BACKBONES.get(name).factory, "usual_feat_dim", FEAT_DIM))


def complexity_of_backbone(name: str, frames: int = FRAMES_5_S) -> Complexity:
    """The cost of a registered backbone with a linear head: 50 classes, its usual bins.

    Raises:
        UnknownComponentError: No such backbone.
    """
    entry, feat_dim = BACKBONES.get(name), usual_feat_dim(name)
    with torch.device("meta"):
        backbone = entry.build(feat_dim=feat_dim)
        head = HEADS.get("linear").build(embed_dim=backbone.embed_dim, num_classes=NUM_CLASSES)
    return complexity_of(Network(backbone, head), frames, feat_dim)
