"""From frame embeddings to one embedding a clip."""

from __future__ import annotations

from typing import cast

from torch import Tensor, nn

from asclf.backbones._blocks.pooling import PoolingKind, build_pooling


class PooledEmbedding(nn.Module):
    """Pooling over time, norm, linear map, norm: (B, C, T) → (B, D)."""

    def __init__(self, pooling: PoolingKind, channels: int, embed_dim: int) -> None:
        super().__init__()
        self.pool = build_pooling(pooling, channels)
        self.pooled_norm = nn.BatchNorm1d(self.pool.output_dim)
        self.project = nn.Linear(self.pool.output_dim, embed_dim)
        self.norm = nn.BatchNorm1d(embed_dim)

    def forward(self, x: Tensor, keep_mask: Tensor | None) -> Tensor:
        """(B, C, T), keep_mask (B, T) True = keep → (B, D)."""
        return cast(Tensor, self.norm(self.project(self.pooled_norm(self.pool(x, keep_mask)))))
