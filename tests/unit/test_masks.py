from __future__ import annotations

import pytest
import torch

from asclf.masks import BlockMaskOptions, block_keep_mask, length_keep_mask

STRATEGIES = ("random", "grid", "high_energy")


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_length_keep_mask_is_true_before_the_end_of_each_clip() -> None:
    mask = length_keep_mask(torch.tensor([0, 2, 3]), 3)
    assert mask.tolist() == [[False] * 3, [True, True, False], [True] * 3]


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize(("ratio", "expected"), [(0.0, True), (1.0, False)])
def test_ratio_0_keeps_all_and_ratio_1_nothing(strategy: str, ratio: float, expected: bool) -> None:
    feats = torch.randn(2, 37, 23)
    mask = block_keep_mask(feats, None, BlockMaskOptions(strategy=strategy, ratio=ratio))
    assert mask.shape == feats.shape
    assert (mask == expected).all()


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("ratio", [0.3, 0.5, 0.7])
def test_the_masked_part_is_near_the_ratio(strategy: str, ratio: float) -> None:
    feats = torch.randn(64, 200, 80)
    options = BlockMaskOptions(strategy=strategy, ratio=ratio)
    keep = block_keep_mask(feats, None, options, generator())
    assert (~keep).float().mean().item() == pytest.approx(ratio, abs=0.02)


@pytest.mark.parametrize("strategy", ["random", "high_energy"])
def test_tiled_blocks_are_kept_or_masked_as_a_whole(strategy: str) -> None:
    options = BlockMaskOptions(strategy=strategy, block_frames=5, block_bins=4)
    keep = block_keep_mask(torch.randn(3, 20, 16), None, options, generator())
    blocks = keep.reshape(3, 4, 5, 4, 4).permute(0, 1, 3, 2, 4).flatten(3)
    assert (blocks.all(3) | ~blocks.any(3)).all()
    assert keep.any() and not keep.all()


def test_grid_masks_squares_of_the_given_size_at_equal_distances() -> None:
    options = BlockMaskOptions(strategy="grid", block_frames=6, block_bins=4, ratio=0.25)
    keep = block_keep_mask(torch.zeros(4, 120, 80), None, options, generator())
    for clip in ~keep:
        rows, columns = clip.any(1), clip.any(0)
        assert torch.equal(clip, rows.unsqueeze(1) & columns.unsqueeze(0))
        assert torch.equal(rows[12:], rows[:-12])  # ratio 0.25: one square in a 2 × 2 cell
        assert rows[:12].sum() == 6
        assert torch.equal(columns[8:], columns[:-8])
        assert columns[:8].sum() == 4


def test_high_energy_masks_the_loudest_block_and_draws_nothing() -> None:
    feats = torch.zeros(1, 20, 20)
    feats[0, 10:, :10] = 3.0
    options = BlockMaskOptions(strategy="high_energy", ratio=0.25)
    drawn = generator()
    state = drawn.get_state()
    keep = block_keep_mask(feats, None, options, drawn)
    assert torch.equal(drawn.get_state(), state)
    assert torch.equal(~keep, feats > 0)


def test_high_energy_leaves_padding_out_of_energy_and_area() -> None:
    feats = torch.zeros(1, 40, 10)
    feats[0, 5] = 1.0
    feats[0, 15:] = 100.0  # padding, from the middle of the second block on
    options = BlockMaskOptions(strategy="high_energy", ratio=0.5)
    keep = block_keep_mask(feats, torch.tensor([15]), options)
    assert (~keep[0, :10]).all()
    assert keep[0, 10:].all()


@pytest.mark.parametrize("strategy", ["random", "grid"])
def test_each_clip_has_a_mask_of_its_own_and_a_seed_repeats_them(strategy: str) -> None:
    feats = torch.zeros(2, 50, 40)
    options = BlockMaskOptions(strategy=strategy)
    first = block_keep_mask(feats, None, options, generator(1))
    assert torch.equal(first, block_keep_mask(feats, None, options, generator(1)))
    assert not torch.equal(first, block_keep_mask(feats, None, options, generator(2)))
    assert not torch.equal(first[0], first[1])


def test_without_a_generator_the_global_one_is_drawn_from() -> None:
    feats = torch.zeros(1, 50, 40)
    masks = []
    for _ in range(2):
        torch.manual_seed(7)
        masks.append(block_keep_mask(feats, None, BlockMaskOptions()))
    assert torch.equal(*masks)
