from __future__ import annotations

import pytest
import torch
from torch import Tensor

from asclf.protocols import Batch
from asclf.registry import AUGMENTERS


def make_batch(size: int = 6, lengths: Tensor | None = None) -> Batch:
    return Batch(
        waveform=torch.eye(size),  # clip i is 1 at sample i, so that each share can be read off
        lengths=lengths,
        targets=torch.eye(size),
        clip_ids=tuple(f"clip{i}" for i in range(size)),
    )


def mix(batch: Batch, seed: int = 0, prob: float = 1.0, alpha: float = 1.0) -> Batch:
    entry = AUGMENTERS.get("mixup")
    mixup = entry.build(entry.configure(prob=prob, alpha=alpha), sample_rate=16_000)
    mixed = mixup.augment_batch(batch, torch.Generator().manual_seed(seed))
    assert isinstance(mixed, Batch)
    return mixed


def test_waveforms_and_targets_are_mixed_in_the_same_shares() -> None:
    mixed = mix(make_batch())
    torch.testing.assert_close(mixed.waveform, mixed.targets)
    torch.testing.assert_close(mixed.targets.sum(1), torch.ones(6))
    assert not torch.equal(mixed.targets, torch.eye(6))


def test_at_most_two_clips_are_mixed_and_each_clip_lends_itself_once() -> None:
    for seed in range(20):
        targets = mix(make_batch(), seed).targets
        assert (targets > 0).sum(1).max() <= 2
        lent = targets.clone().fill_diagonal_(0) > 0
        assert lent.sum(0).max() <= 1


def test_every_clip_has_a_share_of_its_own() -> None:
    shares = mix(make_batch(32)).targets.diagonal()
    assert len(shares[shares < 1].unique()) > 20


@pytest.mark.parametrize(("alpha", "near_ends"), [(0.1, True), (20.0, False)])
def test_alpha_decides_how_even_the_shares_are(alpha: float, near_ends: bool) -> None:
    shares = mix(make_batch(64), alpha=alpha).targets.diagonal()
    is_even = ((shares - 0.5).abs() < 0.4).float().mean()
    assert (is_even < 0.5) == near_ends


def test_probability_0_is_identity() -> None:
    batch = make_batch(lengths=torch.tensor([1, 2, 3, 4, 5, 6]))
    mixed = mix(batch, prob=0.0)
    assert torch.equal(mixed.waveform, batch.waveform)
    assert torch.equal(mixed.targets, batch.targets)
    assert mixed.lengths is not None and batch.lengths is not None
    assert torch.equal(mixed.lengths, batch.lengths)


def test_a_mixed_clip_is_as_long_as_the_longer_of_the_two() -> None:
    lengths = torch.tensor([1, 2, 3, 4, 5, 6])
    for seed in range(10):
        mixed = mix(make_batch(lengths=lengths), seed, prob=0.5)
        assert mixed.lengths is not None
        expected = ((mixed.targets > 0) * lengths).amax(1)
        assert torch.equal(mixed.lengths, expected)
        assert mixed.lengths.dtype == torch.int64


def test_a_batch_of_one_clip_is_left_alone() -> None:
    batch = make_batch(1)
    torch.testing.assert_close(mix(batch).waveform, batch.waveform)
