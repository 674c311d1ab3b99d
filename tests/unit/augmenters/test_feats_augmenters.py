from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from asclf.masks import BlockMaskOptions, block_keep_mask
from asclf.registry import AUGMENTERS


def augment(
    name: str, feats: Tensor, lengths: Tensor | None = None, seed: int = 0, **options: Any
) -> Tensor:
    entry = AUGMENTERS.get(name)
    augmenter = entry.build(entry.configure(**options), sample_rate=16_000)
    return augmenter.augment_feats(feats, lengths, torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("spec_augment", {"prob": 0.0}),
        ("spec_augment", {"num_time_masks": 0, "num_freq_masks": 0}),
        ("spec_augment", {"max_time_frames": 0, "max_freq_bins": 0}),
        ("spec_augment", {"max_time_ratio": 0.0, "num_freq_masks": 0}),
        ("time_mask", {"max_time_frames": 0}),
        ("freq_mask", {"max_freq_bins": 0}),
        ("block_mask", {"prob": 0.0}),
        ("block_mask", {"prob": 1.0, "ratio": 0.0}),
    ],
)
def test_nothing_asked_for_is_identity(name: str, options: dict[str, Any]) -> None:
    feats = torch.randn(4, 60, 30)
    assert torch.equal(augment(name, feats, **options), feats)


@pytest.mark.parametrize("name", ["spec_augment", "block_mask"])
def test_probability_is_of_a_clip(name: str) -> None:
    feats = torch.ones(400, 40, 20)
    changed = (augment(name, feats, prob=0.25) == 0).flatten(1).any(1)
    assert changed.float().mean().item() == pytest.approx(0.25, abs=0.08)


def test_spec_augment_masks_whole_bands_within_their_bounds() -> None:
    feats = torch.ones(200, 100, 40)
    options = {"num_time_masks": 1, "num_freq_masks": 1, "max_time_frames": 12, "max_freq_bins": 5}
    masked = augment("spec_augment", feats, **options) == 0
    rows, columns = masked.all(2), masked.all(1)
    assert torch.equal(masked, rows.unsqueeze(2) | columns.unsqueeze(1))
    assert set(rows.sum(1).tolist()) == set(range(13))
    assert set(columns.sum(1).tolist()) == set(range(6))
    for band in rows[rows.any(1)]:
        first, last = band.nonzero()[0], band.nonzero()[-1]
        assert last - first + 1 == band.sum()
    assert rows[:, 0].any() and rows[:, -1].any()


def test_spec_augment_limits_a_time_band_to_its_part_of_the_clip() -> None:
    feats = torch.ones(100, 100, 40)
    options = {"num_time_masks": 1, "num_freq_masks": 0, "max_time_ratio": 0.1}
    lengths = torch.tensor([100, 50] * 50)
    masked = (augment("spec_augment", feats, lengths, **options) == 0).all(2).sum(1)
    assert masked[::2].max() == 10
    assert masked[1::2].max() == 5


def test_spec_augment_chooses_time_bands_before_the_padding() -> None:
    feats = torch.ones(100, 100, 10)
    lengths = torch.full((100,), 30)
    masked = augment("spec_augment", feats, lengths, num_freq_masks=0, max_time_ratio=1.0) == 0
    assert masked[:, :30].any()
    assert not masked[:, 30:].any()


@pytest.mark.parametrize(("name", "axis"), [("time_mask", 2), ("freq_mask", 1)])
def test_time_mask_and_freq_mask_draw_one_band_of_their_own_axis(name: str, axis: int) -> None:
    masked = augment(name, torch.ones(200, 100, 40)) == 0
    bands = masked.all(axis)
    assert torch.equal(masked, bands.unsqueeze(axis).expand_as(masked))
    widths = bands.sum(1)
    assert widths.unique().numel() > 5
    for band in bands[widths > 0]:
        first, last = band.nonzero()[0], band.nonzero()[-1]
        assert last - first + 1 == band.sum()


@pytest.mark.parametrize("strategy", ["random", "grid", "high_energy"])
def test_block_mask_fills_the_blocks_with_0_and_leaves_the_rest(strategy: str) -> None:
    feats = torch.randn(3, 45, 25) + 10
    changed = augment("block_mask", feats, seed=3, prob=1.0, strategy=strategy)
    keep = block_keep_mask(
        feats, None, BlockMaskOptions(strategy=strategy), torch.Generator().manual_seed(3)
    )
    assert torch.equal(changed, feats * keep)
