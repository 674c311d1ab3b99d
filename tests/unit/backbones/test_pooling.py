from __future__ import annotations

import torch

from asclf.backbones._blocks.pooling import (
    AttentiveStatisticsPooling,
    uniform_weights,
    weighted_statistics,
)


def test_uniform_weights_give_the_plain_mean_and_deviation() -> None:
    x = torch.randn(3, 4, 20)
    mean, deviation = weighted_statistics(x, uniform_weights(x, None))
    torch.testing.assert_close(mean, x.mean(2))
    torch.testing.assert_close(deviation, x.std(2, unbiased=False))


def test_pooling_is_masked_exactly() -> None:
    pool = AttentiveStatisticsPooling(4, hidden_channels=3).eval()
    x, keep_mask = torch.randn(2, 4, 20), torch.arange(20).expand(2, 20) < 13
    torch.testing.assert_close(pool(x, keep_mask), pool(x[..., :13]))
    assert pool(x).shape == (2, pool.output_dim)


def test_a_constant_clip_has_a_finite_gradient() -> None:
    pool = AttentiveStatisticsPooling(4, hidden_channels=3)
    x = torch.ones(2, 4, 20, requires_grad=True)
    pool(x).sum().backward()
    assert x.grad is not None and x.grad.isfinite().all()
