"""TDNN: the frame layers of x-vectors, attentive statistics, one layer over the clip.

Source: Snyder, Garcia-Romero, Sell, Povey and Khudanpur, "X-vectors: Robust DNN Embeddings for
Speaker Recognition", ICASSP 2018, Table 1. Reference: `TDNN` of the PyPI package `macls`
(Apache-2.0), to whose outputs `tests/parity/test_tdnns_against_macls.py` holds this. Both differ
from the paper: the last frame layer has the width of the others instead of 1500, pooling is
attentive, and one layer over the clip replaces two.
"""

from __future__ import annotations

from typing import cast

from pydantic import PositiveInt
from torch import Tensor, nn
from torch.nn import functional

from asclf.backbones._blocks.conv1d import (
    ConvReluNorm,
    TimeConv,
    frames_as_map,
    map_as_frames,
)
from asclf.backbones._blocks.embedding import PooledEmbedding
from asclf.backbones._blocks.pooling import PoolingKind
from asclf.backbones._blocks.short import repeat_last_frame
from asclf.backbones._blocks.valid import Valid
from asclf.config import component_config
from asclf.protocols import LengthsPolicy
from asclf.registry import BACKBONES

LAYERS = ((5, 1), (3, 2), (3, 3), (1, 1))
"""Kernel and dilation of the layers over several frames, and of the first over one."""
MIN_FRAMES = 1 + sum(dilation * (kernel - 1) for kernel, dilation in LAYERS)
"""That one frame is left of: nothing is padded between the layers."""


@component_config
class TdnnConfig:
    """Options of `tdnn`."""

    channels: PositiveInt = 512
    """Width of the frame layers."""
    embed_dim: PositiveInt = 192
    """Length of the embedding."""
    pooling: PoolingKind = "asp"
    """How frames become one vector; the paper's is `stats`."""


@BACKBONES.register("tdnn", TdnnConfig)
class Tdnn(nn.Module):
    """Features (B, T, F) → embedding (B, D).

    Padding never changes a clip's embedding: a frame that sees any is not pooled.
    """

    lengths_policy: LengthsPolicy = "masked"
    paper = "Snyder et al. 2018, X-vectors, ICASSP"
    reference = "macls (Apache-2.0)"

    def __init__(self, config: TdnnConfig, *, feat_dim: int) -> None:
        super().__init__()
        self.embed_dim = config.embed_dim
        self.layers = nn.ModuleList()
        inputs = feat_dim
        for kernel, dilation in LAYERS:
            layer = ConvReluNorm(inputs, config.channels, kernel, dilation, reflect=False)
            self.layers.append(layer)
            inputs = config.channels
        self.last = TimeConv(config.channels, config.channels)
        self.embed = PooledEmbedding(config.pooling, config.channels, config.embed_dim)

    def forward(self, feats: Tensor, lengths: Tensor | None = None) -> Tensor:
        """(B, T, F), (B,) frames → (B, D); below 15 frames, the last one is repeated."""
        feats, lengths = repeat_last_frame(feats, lengths, MIN_FRAMES)
        valid = None if lengths is None else Valid(lengths, feats.shape[1])
        x = frames_as_map(feats)  # (B, F, T, 1)
        for layer, (kernel, dilation) in zip(self.layers, LAYERS, strict=True):
            valid = valid and valid.shortened(dilation * (kernel - 1))
            x = layer(x, valid)  # (B, C, T', 1)
        frames = map_as_frames(functional.relu(self.last(x), inplace=True))  # (B, T', C)
        return cast(Tensor, self.embed(frames.transpose(1, 2), valid and valid.keep_mask))
