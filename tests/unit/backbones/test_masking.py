from __future__ import annotations

import pytest
import torch
from torch import Tensor

from asclf.backbones._masking import LearnableMask, LearnableMaskOptions, build_mask
from asclf.masks import BlockMaskOptions

FEATS = torch.ones(64, 200, 80)


def learnable(ratio_logit: float = 0.0, size_logit: float = 0.0) -> LearnableMask:
    mask = LearnableMask(LearnableMaskOptions(size_bounds=(2, 18)))
    with torch.no_grad():
        mask.ratio_logit.fill_(ratio_logit)
        mask.size_logit.fill_(size_logit)
    return mask


def test_fixed_and_learnable_masks_are_built_from_their_options() -> None:
    fixed = build_mask(BlockMaskOptions(ratio=1.0))
    assert not fixed(FEATS, None).any()
    assert fixed.monitored() == {}
    assert isinstance(build_mask(LearnableMaskOptions()), LearnableMask)


@pytest.mark.parametrize("ratio_logit", [-1.5, 0.0, 1.5])
def test_the_ratio_is_what_is_masked(ratio_logit: float) -> None:
    torch.manual_seed(0)
    mask = learnable(ratio_logit)
    hidden = (mask(FEATS, None) == 0).float().mean()
    assert hidden.item() == pytest.approx(mask.ratio.item(), abs=0.02)


def test_the_mask_is_hard_and_in_blocks_of_its_size() -> None:
    torch.manual_seed(0)
    mask = learnable(0.0, 0.0)  # blocks of 10
    keep = mask(FEATS, None)
    assert set(keep.unique().tolist()) == {0.0, 1.0}
    changes = (keep[:, 1:] != keep[:, :-1]).float().mean((0, 2))  # by frame
    assert changes[9::10].mean() > 0.4, "no edge where blocks meet"
    inside = torch.ones(199, dtype=torch.bool)
    inside[9::10] = False
    assert changes[inside].mean() < 0.02, "edges inside blocks"


def test_the_gradient_agrees_with_finite_differences_of_the_soft_mask() -> None:
    torch.manual_seed(0)
    mask = learnable(0.3, -0.4).double()
    noise, weights = mask.noise(FEATS[:3].double()), torch.randn(3, 200, 80, dtype=torch.float64)

    def weighed() -> Tensor:
        return (mask.soft(noise, 200, 80) * weights).sum()

    gradients = torch.autograd.grad(weighed(), (mask.ratio_logit, mask.size_logit))
    for parameter, gradient in zip((mask.ratio_logit, mask.size_logit), gradients, strict=True):
        step, values = 1e-5, []
        for sign in (1, -1):
            with torch.no_grad():
                parameter.add_(sign * step)
                values.append(weighed())
                parameter.sub_(sign * step)
        assert gradient.item() == pytest.approx(((values[0] - values[1]) / (2 * step)).item(), 1e-5)
        assert gradient.abs() > 1e-3


def test_the_hard_mask_has_the_gradient_of_the_soft_one() -> None:
    mask, feats = learnable(0.3, -0.4), FEATS[:2]
    weights = torch.randn(feats.shape)
    torch.manual_seed(1)
    hard = torch.autograd.grad((mask(feats, None) * weights).sum(), list(mask.parameters()))
    torch.manual_seed(1)
    soft = mask.soft(mask.noise(feats), 200, 80)
    expected = torch.autograd.grad((soft * weights).sum(), list(mask.parameters()))
    torch.testing.assert_close(hard, expected)


@pytest.mark.parametrize("sign", [-1, 1])
def test_ratio_and_size_stay_in_bounds_however_they_are_pulled(sign: int) -> None:
    mask = learnable()
    optimizer = torch.optim.SGD(mask.parameters(), lr=1e4)
    for _ in range(5):
        optimizer.zero_grad()
        (sign * (mask.ratio + mask.block_size)).backward()
        optimizer.step()
    values = mask.monitored()
    assert 0.1 - 1e-6 <= values["mask_ratio"] <= 0.9 + 1e-6
    assert 2 - 1e-5 <= values["mask_block_size"] <= 18 + 1e-5
    assert mask(FEATS, None).isfinite().all()


def test_both_start_at_random_by_the_seed() -> None:
    starts = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        starts.append(LearnableMask(LearnableMaskOptions()).monitored())
    assert starts[0] == starts[1] != starts[2]
