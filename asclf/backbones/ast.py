"""AST, the audio spectrogram transformer: a vision transformer over patches of the features.

Source: Gong, Chung and Glass, "AST: Audio Spectrogram Transformer", Interspeech 2021 (arXiv
2104.01778); the authors' code (github.com/YuanGongND/ast, BSD-3-Clause) builds it on the distilled
DeiT of Touvron et al. (arXiv 2012.12877), whose three sizes these are. There a layer norm stands
before the linear classifier; here it is the backbone's last layer, so that backbone and head
`linear` are the paper's network, to the parameter, and every other head sees normed embeddings too.

What differs: clips are fitted to `num_frames` by repeating or by taking their middle, where the
authors' code fills up with zeros or takes their start. The classes of the PyPI package
`transformers` (Apache-2.0) give the same outputs: `tests/parity/test_ast_against_transformers.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, cast

import pydantic
import torch
from pydantic import Field, PositiveFloat, PositiveInt
from torch import Tensor, nn
from torch.nn import functional

from asclf.backbones._blocks.fit import fit_frames
from asclf.config import component_config
from asclf.errors import ConfigError
from asclf.protocols import LengthsPolicy
from asclf.registry import BACKBONES

PATCH = 16  # frames and bins of a square patch
MLP_RATIO = 4
NORM_EPS = 1e-6  # DeiT's
INIT_STD = 0.02  # of DeiT's truncated normal

Grid = tuple[int, int]
"""Patches over frequency, patches over time."""


@component_config
class AstConfig:
    """Options of `ast_tiny`, `ast_small` and `ast_base`; a size is a width with its heads."""

    embed_dim: PositiveInt = 192
    """Width of the tokens, and length of the embedding."""
    num_heads: PositiveInt = 3
    """Attention heads; they share out `embed_dim`."""
    depth: PositiveInt = 12
    """Transformer blocks."""
    stride: Annotated[int, Field(gt=0, le=PATCH)] = 10
    """Frames, and bins, between the starts of two patches of 16 × 16."""
    num_frames: Annotated[int, Field(ge=PATCH)] = 512
    """Frames that it hears of every clip: a longer one's middle, a shorter one repeated."""
    position_frames: Annotated[int, Field(ge=PATCH)] | None = None
    """Frames for which there are position embeddings; `null`: `num_frames`. For `num_frames` they
    are cut or interpolated. AudioSet's weights have them for 1024."""
    position_bins: Annotated[int, Field(ge=PATCH)] | None = None
    """Bins for which there are position embeddings; `null`: those of the front end."""
    feats_mean_std: tuple[float, PositiveFloat] | None = None
    """Mean and standard deviation of the training set's feats: the network sees
    (feats − mean) / (2 · deviation). `null` leaves feats as they are."""

    @pydantic.model_validator(mode="after")
    def _check_heads(self) -> AstConfig:
        if self.embed_dim % self.num_heads:
            raise ValueError("an embed_dim that is a multiple of num_heads")
        return self


@BACKBONES.register("ast_tiny", AstConfig)
@BACKBONES.register("ast_small", AstConfig, embed_dim=384, num_heads=6)
@BACKBONES.register("ast_base", AstConfig, embed_dim=768, num_heads=12)
class Ast(nn.Module):
    """Features (B, T, F) → embedding (B, D): the mean of the class and the distillation token.

    Args:
        config: Sizes.
        feat_dim: Frequency bins F of the input.

    Raises:
        ConfigError: `feat_dim` is less than a patch.
    """

    lengths_policy: LengthsPolicy = "fixed"
    usual_feat_dim = 128
    paper = "Gong, Chung and Glass 2021, arXiv 2104.01778"
    reference = "transformers (Apache-2.0)"

    def __init__(self, config: AstConfig, *, feat_dim: int) -> None:
        super().__init__()
        width = self.embed_dim = config.embed_dim
        self.num_frames = config.num_frames
        self.mean, self.deviation = config.feats_mean_std or (0.0, 0.5)
        self.grid = patch_grid(feat_dim, config.num_frames, config.stride)
        self.position_grid = patch_grid(
            config.position_bins or feat_dim,
            config.position_frames or config.num_frames,
            config.stride,
        )
        places = 2 + self.position_grid[0] * self.position_grid[1]
        self.class_token = nn.Parameter(torch.empty(1, 1, width))
        self.distillation_token = nn.Parameter(torch.empty(1, 1, width))
        self.positions = nn.Parameter(torch.empty(1, places, width))
        self.patches = nn.Conv2d(1, width, kernel_size=PATCH, stride=config.stride)
        self.blocks = nn.Sequential(
            *(TransformerBlock(width, config.num_heads) for _ in range(config.depth))
        )
        self.norm = nn.LayerNorm(width, NORM_EPS)
        self.embed_norm = nn.LayerNorm(width, NORM_EPS)
        for parameter in (self.class_token, self.distillation_token, self.positions):
            nn.init.trunc_normal_(parameter, std=INIT_STD)
        self.blocks.apply(init_linear)

    def forward(self, feats: Tensor, lengths: Tensor | None = None) -> Tensor:
        """(B, T, F), (B,) frames → (B, D)."""
        x = fit_frames(feats, lengths, self.num_frames)  # (B, N, F)
        x = (x - self.mean) / (2 * self.deviation)
        tokens = self.norm(self.blocks(self._embed(x))[:, :2])  # (B, 2, D)
        return cast(Tensor, self.embed_norm(tokens.mean(dim=1)))

    def recomputable(self) -> Sequence[nn.Module]:
        """The blocks, each of which can be computed again from its input."""
        return tuple(self.blocks)

    def _embed(self, x: Tensor) -> Tensor:
        """(B, N, F) → the two tokens and the patches, each with its position, (B, 2 + P, D)."""
        patches = self.patches(x.transpose(1, 2).unsqueeze(1))  # (B, D, F', N')
        patches = patches.flatten(2).transpose(1, 2)  # (B, P, D)
        tokens = torch.cat([self.class_token, self.distillation_token], dim=1)  # (1, 2, D)
        tokens = tokens.expand(x.shape[0], -1, -1)
        return torch.cat([tokens, patches], dim=1) + self._positions()

    def _positions(self) -> Tensor:
        """The position embeddings of this grid, (1, 2 + P, D)."""
        if self.grid == self.position_grid:
            return self.positions
        tokens, patches = self.positions[:, :2], self.positions[:, 2:]
        patches = patches.transpose(1, 2).reshape(1, -1, *self.position_grid)  # (1, D, F', N')
        patches = fit_grid(patches, self.grid).flatten(2).transpose(1, 2)  # (1, P, D)
        return torch.cat([tokens, patches], dim=1)


def patch_grid(bins: int, frames: int, stride: int) -> Grid:
    """How many patches there are over frequency and over time.

    Raises:
        ConfigError: There are fewer bins than a patch has.
    """
    if bins < PATCH:
        raise ConfigError(
            f"feats of {bins} bins have no room for a patch",
            expected=f"at least {PATCH}",
            hint="use a front end with more bins",
        )
    return (bins - PATCH) // stride + 1, (frames - PATCH) // stride + 1


def fit_grid(patches: Tensor, grid: Grid) -> Tensor:
    """Cuts the middle out of each axis that is too long, and interpolates one that is too short.

    Source: section 2.2 of the paper; where the middle lies is as in the authors' code.

    Args:
        patches: Position embeddings (1, D, F', N').
        grid: The wanted (F'', N'').
    """
    for dim, size in zip((2, 3), grid, strict=True):
        stored = patches.shape[dim]
        if size < stored:
            patches = patches.narrow(dim, stored // 2 - size // 2, size)
    return functional.interpolate(patches, size=grid, mode="bilinear")  # (1, D, F'', N'')


class TransformerBlock(nn.Module):
    """Attention, then two layers for each token; each after a norm and added to its input.

    Source: Dosovitskiy et al., ViT (arXiv 2010.11929), equations 2 and 3.
    """

    def __init__(self, width: int, num_heads: int) -> None:
        super().__init__()
        self.attention_norm = nn.LayerNorm(width, NORM_EPS)
        self.attention = SelfAttention(width, num_heads)
        self.mlp_norm = nn.LayerNorm(width, NORM_EPS)
        self.mlp = nn.Sequential(
            nn.Linear(width, MLP_RATIO * width), nn.GELU(), nn.Linear(MLP_RATIO * width, width)
        )

    def forward(self, x: Tensor) -> Tensor:
        """(B, N, D) → (B, N, D)."""
        x = x + self.attention(self.attention_norm(x))
        return x + cast(Tensor, self.mlp(self.mlp_norm(x)))


class SelfAttention(nn.Module):
    """Scaled dot-product attention of every token to every token."""

    def __init__(self, width: int, num_heads: int) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(width, width)
        self.value = nn.Linear(width, width)
        self.project = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        """(B, N, D) → (B, N, D)."""
        query, key, value = (
            layer(x).unflatten(2, (self.num_heads, -1)).transpose(1, 2)  # (B, H, N, D / H)
            for layer in (self.query, self.key, self.value)
        )
        y = functional.scaled_dot_product_attention(query, key, value)  # (B, H, N, D / H)
        return cast(Tensor, self.project(y.transpose(1, 2).flatten(2)))


def init_linear(module: nn.Module) -> None:
    """Fills a linear layer as DeiT does: truncated normal weights, biases of 0."""
    if isinstance(module, nn.Linear):
        nn.init.trunc_normal_(module.weight, std=INIT_STD)
        nn.init.zeros_(module.bias)
