from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from asclf.registry import AUGMENTERS


def mixed(feats: Tensor, lengths: Tensor | None = None, seed: int = 0, **options: Any) -> Tensor:
    entry = AUGMENTERS.get("freq_mixstyle")
    augmenter = entry.build(entry.configure(**options), sample_rate=16_000)
    changed = augmenter.augment_feats(feats, lengths, torch.Generator().manual_seed(seed))
    assert isinstance(changed, Tensor)
    return changed


def clips_of_two_devices(frames: int = 50) -> Tensor:
    """(2, T, F) of one sound, the second recorded louder and with more range in each bin."""
    sound = torch.randn(frames, 8)
    return torch.stack([sound, 5 + 3 * sound])


def test_a_clip_gets_statistics_between_its_own_and_the_others() -> None:
    feats = clips_of_two_devices()
    mean, deviation = feats.mean(1), feats.std(1, unbiased=False)
    shares = set()
    for seed in range(20):
        changed = mixed(feats, seed=seed, prob=1.0, alpha=1.0)
        share = (changed.mean(1)[0] - mean[0]) / (mean[1] - mean[0])  # (F,)
        torch.testing.assert_close(share, share[:1].expand_as(share), atol=1e-4, rtol=0)
        assert -1e-4 <= share[0] <= 1 + 1e-4
        expected = deviation[0] + share * (deviation[1] - deviation[0])
        found = changed.std(1, unbiased=False)[0]
        torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)
        shares.add(round(share[0].item(), 3))
    assert len(shares) > 5


def test_what_happens_in_a_clip_stays_apart_from_its_level_and_range() -> None:
    feats = torch.randn(4, 50, 8)
    before, after = (
        (values - values.mean(1, keepdim=True)) / values.std(1, keepdim=True)
        for values in (feats, mixed(feats, prob=1.0))
    )
    torch.testing.assert_close(after, before, atol=1e-4, rtol=0)


def test_a_clip_that_is_not_chosen_is_exactly_as_it_was() -> None:
    feats = torch.randn(300, 10, 4)
    changed = (mixed(feats, prob=0.3) != feats).flatten(1).any(1)
    assert changed.float().mean().item() == pytest.approx(0.3, abs=0.08)
    assert torch.equal(mixed(feats, prob=0.0), feats)


def test_padding_has_no_part_in_the_statistics_and_stays() -> None:
    feats = clips_of_two_devices()
    padded = torch.cat([feats, torch.full((2, 7, 8), 100.0)], dim=1)
    padded[1, 20:] = -100
    lengths = torch.tensor([50, 20])
    alone = [feats[:1], feats[1:, :20]]
    for seed in range(10):
        changed = mixed(padded, lengths, seed, prob=1.0)
        assert torch.equal(changed[0, 50:], padded[0, 50:])
        assert torch.equal(changed[1, 20:], padded[1, 20:])
        means = [values.mean(1)[0] for values in alone]
        share = (changed[0, :50].mean(0) - means[0]) / (means[1] - means[0])
        torch.testing.assert_close(share, share[:1].expand_as(share), atol=1e-4, rtol=0)


def test_clips_without_a_change_in_time_stay_finite() -> None:
    for feats in (torch.zeros(3, 40, 5), torch.randn(3, 1, 5), torch.ones(3, 40, 5)):
        changed = mixed(feats, prob=1.0)
        assert changed.isfinite().all()
        assert changed.abs().max() <= feats.abs().max() + 1e-3
