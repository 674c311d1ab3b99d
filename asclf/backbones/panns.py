"""PANNs: blocks of convolutions like VGG's, each followed by an average pooling.

Source: Kong et al., "PANNs: Large-Scale Pretrained Audio Neural Networks for Audio Pattern
Recognition", IEEE/ACM TASLP 2020 (arXiv 1912.10211), Table 1: CNN6, CNN10 and CNN14. As in the
reference for sound classification (the PyPI package `macls`, Apache-2.0), convolutions have a bias,
which the authors' code leaves out, and dropout around the embedding layer is 0.5. The reference's
unused layer to AudioSet's 527 classes is not here.
`tests/parity/test_panns_against_macls.py` holds the two to the same outputs.
"""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias, cast

import torch
from pydantic import Field, NonNegativeInt, PositiveInt
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d

from asclf.backbones._blocks.means import mean_over_frequency, mean_over_time
from asclf.backbones._blocks.norms import BatchNorm
from asclf.backbones._blocks.short import repeat_last_frame
from asclf.backbones._blocks.valid import Valid, cut
from asclf.config import component_config
from asclf.protocols import LengthsPolicy
from asclf.registry import BACKBONES

Share: TypeAlias = Annotated[float, Field(ge=0, lt=1)]


@component_config
class PannsConfig:
    """Options of the PANNs; the defaults are CNN10's."""

    channels: Annotated[tuple[PositiveInt, ...], Field(min_length=1)] = (64, 128, 256, 512)
    """Width of each block."""
    kernels: Annotated[tuple[Literal[1, 3, 5, 7], ...], Field(min_length=1)] = (3, 3)
    """Kernel of each convolution in a block."""
    pooled_blocks: NonNegativeInt = 4
    """Blocks, from the first on, that halve time and frequency at their end."""
    embed_dim: PositiveInt = 512
    """Length of the embedding."""
    block_dropout: Share = 0.2
    """Part of the map that is dropped in training after each block."""
    dropout: Share = 0.5
    """Part of the vector that is dropped in training before the embedding layer and after it."""


@BACKBONES.register("panns_cnn6", PannsConfig, kernels=(5,))
@BACKBONES.register("panns_cnn10", PannsConfig)
@BACKBONES.register(
    "panns_cnn14",
    PannsConfig,
    channels=(64, 128, 256, 512, 1024, 2048),
    pooled_blocks=5,
    embed_dim=2048,
)
class Panns(nn.Module):
    """Features (B, T, F) → embedding (B, D).

    Of a clip with fewer frames than one window of all poolings (16, of CNN14 32) the last frame is
    repeated. Padding never changes a clip's embedding.
    """

    lengths_policy: LengthsPolicy = "masked"
    paper = "Kong et al. 2020, arXiv 1912.10211"
    reference = "macls (Apache-2.0)"

    def __init__(self, config: PannsConfig, *, feat_dim: int) -> None:
        super().__init__()
        self.embed_dim = config.embed_dim
        widths = (1, *config.channels)
        self.norm = BatchNorm(feat_dim)
        self.blocks = nn.ModuleList(
            ConvBlock(config, *widths[i : i + 2], is_pooled=i < config.pooled_blocks)
            for i in range(len(config.channels))
        )
        self.min_frames = 2 ** min(config.pooled_blocks, len(config.channels))
        self.project = nn.Linear(widths[-1], config.embed_dim)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, feats: Tensor, lengths: Tensor | None = None) -> Tensor:
        """(B, T, F), (B,) frames → (B, D)."""
        feats, lengths = repeat_last_frame(feats, lengths, self.min_frames)
        valid = None if lengths is None else Valid(lengths, feats.shape[1])
        x = self.norm(
            feats.transpose(1, 2).unsqueeze(3), valid
        )  # (B, F, T, 1): a norm for each bin
        x = x.permute(0, 3, 2, 1)  # (B, 1, T, F)
        for block in self.blocks:
            x, valid = block(x, valid)
        x = self.dropout(max_and_mean(mean_over_frequency(x), valid))  # (B, C)
        return cast(Tensor, self.dropout(torch.relu(self.project(x))))


class ConvBlock(nn.Module):
    """Convolutions, each with norm and ReLU, then average pooling 2×2 and dropout."""

    def __init__(
        self, config: PannsConfig, in_channels: int, out_channels: int, *, is_pooled: bool
    ) -> None:
        super().__init__()
        self.is_pooled = is_pooled
        self.convs = nn.ModuleList(
            nn.Conv2d(out_channels if i else in_channels, out_channels, kernel, padding="same")
            for i, kernel in enumerate(config.kernels)
        )
        self.norms = nn.ModuleList(BatchNorm(out_channels) for _ in config.kernels)
        self.dropout = nn.Dropout(config.block_dropout)

    def forward(self, x: Tensor, valid: Valid | None) -> tuple[Tensor, Valid | None]:
        """(B, C, T, F) → (B, C', T, F), or half of T and F, and which of its frames are valid."""
        for conv, norm in zip(self.convs, self.norms, strict=True):
            x = torch.relu_(norm(conv(cut(x, valid)), valid))
        if self.is_pooled:
            x = avg_pool2d(x, (2, min(2, x.shape[3])))  # one bin stays one
            valid = valid and Valid(valid.lengths // 2, x.shape[2])
        return self.dropout(x), valid


def max_and_mean(x: Tensor, valid: Valid | None) -> Tensor:
    """(B, C, T, 1) → the maximum over time plus the mean over time (B, C)."""
    mean = mean_over_time(x, valid)
    if valid is not None:
        x = x.masked_fill(~valid.keep, -torch.inf)
    return (x.amax(2, keepdim=True) + mean).flatten(1)  # (B, C)
