from __future__ import annotations

from pathlib import Path
from typing import get_args

import onnxruntime
import pytest
import torch
from torch import Tensor, nn

from asclf.backbones._blocks.pooling import (
    HeadAttentionPooling,
    PoolingKind,
    StatisticsPooling,
    build_pooling,
    uniform_weights,
    weighted_statistics,
)
from asclf.export.graph import write_onnx

KINDS: tuple[PoolingKind, ...] = get_args(PoolingKind)

every_kind = pytest.mark.parametrize("kind", KINDS)


@every_kind
def test_padding_is_left_out_exactly(kind: PoolingKind) -> None:
    pool = build_pooling(kind, 8, hidden_channels=3).eval()
    x, lengths = torch.randn(3, 8, 20), (20, 13, 1)
    keep_mask = torch.arange(20) < torch.tensor(lengths).unsqueeze(1)
    together = pool(x.masked_fill(~keep_mask.unsqueeze(1), 100.0), keep_mask)
    assert together.shape == (3, pool.output_dim)
    for i, length in enumerate(lengths):
        torch.testing.assert_close(together[i : i + 1], pool(x[i : i + 1, :, :length]))


@every_kind
def test_a_constant_clip_has_that_constant_as_its_mean_and_a_finite_gradient(
    kind: PoolingKind,
) -> None:
    x = torch.full((2, 4, 20), 3.0, requires_grad=True)
    pooled = build_pooling(kind, 4, hidden_channels=3)(x)
    pooled.sum().backward()
    torch.testing.assert_close(pooled[:, :4], torch.full((2, 4), 3.0))
    torch.testing.assert_close(pooled[:, 4:], torch.zeros_like(pooled[:, 4:]), rtol=0, atol=1e-5)
    assert x.grad is not None
    assert x.grad.isfinite().all()


@pytest.mark.parametrize("kind", ["asp", "sap", "attention"])
@pytest.mark.parametrize("is_padded", [False, True])
def test_every_parameter_gets_a_gradient(kind: PoolingKind, is_padded: bool) -> None:
    pool = build_pooling(kind, 8, hidden_channels=3)
    keep_mask = torch.tensor([[True] * 20, [True] * 5 + [False] * 15]) if is_padded else None
    (pool(torch.randn(2, 8, 20), keep_mask) * torch.randn(2, pool.output_dim)).sum().backward()
    for name, parameter in pool.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name


@every_kind
def test_it_is_exported_for_any_number_of_frames(kind: PoolingKind, tmp_path: Path) -> None:
    network = Pooled(kind).eval()
    path = tmp_path / "pool.onnx"
    write_onnx(network, path, example=torch.randn(2, 30, 8), metadata={})
    session = onnxruntime.InferenceSession(path)
    for frames in (1, 29, 200):
        feats = torch.randn(3, frames, 8)
        (found,) = session.run(None, {"feats": feats.numpy()})
        torch.testing.assert_close(torch.from_numpy(found), network(feats), rtol=1e-4, atol=1e-4)


class Pooled(nn.Module):
    """Feats (B, T, F) → (B, D), the signature that is exported."""

    def __init__(self, kind: PoolingKind) -> None:
        super().__init__()
        self.pool = build_pooling(kind, 8, hidden_channels=3)

    def forward(self, feats: Tensor) -> Tensor:
        pooled: Tensor = self.pool(feats.transpose(1, 2))
        return pooled


@pytest.mark.parametrize(
    ("kind", "output_dim", "params"),
    [
        ("avg", 512, 0),
        ("stats", 1024, 0),
        ("asp", 1024, 263_040),
        ("sap", 512, 131_712),
        ("attention", 512, 512),
    ],
)
def test_sizes_of_each_kind(kind: PoolingKind, output_dim: int, params: int) -> None:
    pool = build_pooling(kind, 512)
    assert pool.output_dim == output_dim
    assert sum(parameter.numel() for parameter in pool.parameters()) == params


@pytest.mark.parametrize("is_masked", [False, True])
def test_uniform_weights_give_the_plain_mean_and_deviation(is_masked: bool) -> None:
    frames = torch.randn(3, 20, 4)
    keep_mask = torch.ones(3, 20, dtype=torch.bool) if is_masked else None
    mean, deviation = weighted_statistics(frames, uniform_weights(frames, keep_mask))
    torch.testing.assert_close(mean, frames.mean(1))
    torch.testing.assert_close(deviation, frames.std(1, unbiased=False))


def test_statistics_divide_the_variance_by_one_frame_less() -> None:
    x = torch.randn(3, 4, 5)
    found = StatisticsPooling(4)(x)
    torch.testing.assert_close(found, torch.cat([x.mean(2), x.std(2)], dim=1))


def test_each_head_weights_its_own_channels() -> None:
    pool = HeadAttentionPooling(16)
    x = torch.randn(2, 16, 30)
    with torch.no_grad():
        pool.queries.zero_()
        pool.queries[7] = 1.0
    pooled = pool(x)
    torch.testing.assert_close(pooled[:, :14], x.mean(2)[:, :14])
    weights = (x[:, 14:].sum(1) / 2**0.5).softmax(1)  # (B, T)
    torch.testing.assert_close(pooled[:, 14:], (x[:, 14:] * weights.unsqueeze(1)).sum(2))


@pytest.mark.parametrize(("channels", "heads"), [(512, 8), (12, 4), (7, 1)])
def test_heads_split_the_channels_evenly(channels: int, heads: int) -> None:
    assert HeadAttentionPooling(channels).queries.shape == (heads, channels // heads)
