from __future__ import annotations

import pytest
import torch
from torch import nn

from asclf.backbones._blocks.norms import BatchNorm, GroupNorm
from asclf.backbones._blocks.valid import Valid

LENGTHS = torch.tensor([20, 7, 1])


def padded() -> tuple[torch.Tensor, Valid]:
    """Three clips whose padding is far from their values."""
    torch.manual_seed(0)
    x, valid = torch.randn(3, 8, 20, 5), Valid(LENGTHS, 20)
    return torch.where(valid.keep, x, 100.0), valid


def clips(x: torch.Tensor) -> list[torch.Tensor]:
    return [clip[:, :length] for clip, length in zip(x, LENGTHS, strict=True)]


def test_batch_norm_is_that_of_the_valid_cells_side_by_side() -> None:
    x, valid = padded()
    ours, torchs = BatchNorm(8), nn.BatchNorm2d(8)
    for norm in (ours, torchs):
        nn.init.uniform_(norm.weight.data.copy_(torch.arange(8) / 4))
    ours.load_state_dict(torchs.state_dict())
    found = torch.cat(clips(ours(x, valid)), dim=1)
    expected = torchs(torch.cat(clips(x), dim=1).unsqueeze(0))[0]  # (1, C, all frames, F)
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(ours.state_dict(), torchs.state_dict())


@pytest.mark.parametrize("bins", [1, 5])
@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
def test_gradients_of_batch_norm_are_those_of_the_valid_cells_side_by_side(
    bins: int, memory_format: torch.memory_format
) -> None:
    x, valid = padded()
    x = x[..., :bins].contiguous(memory_format=memory_format)
    weight = torch.randn(3, 8, 20, bins)
    ours, torchs = BatchNorm(8), nn.BatchNorm2d(8)
    here, there = x.clone().requires_grad_(), x.clone().requires_grad_()
    (weight * valid.keep * ours(here, valid)).sum().backward()
    expected = torchs(torch.cat(clips(there), dim=1).unsqueeze(0))[0]  # (C, all frames, F)
    (torch.cat(clips(weight), dim=1) * expected).sum().backward()
    for found, wanted in ((here, there), (ours.weight, torchs.weight), (ours.bias, torchs.bias)):
        assert found.grad is not None
        torch.testing.assert_close(found.grad, wanted.grad, rtol=1e-4, atol=1e-5)


def test_group_norm_is_that_of_each_clip_alone() -> None:
    x, valid = padded()
    for groups in (1, 2, 8):
        norm = GroupNorm(groups, 8)
        nn.init.uniform_(norm.weight)
        nn.init.uniform_(norm.bias)
        for found, clip in zip(clips(norm(x, valid)), clips(x), strict=True):
            torch.testing.assert_close(found, norm(clip.unsqueeze(0))[0], rtol=1e-4, atol=1e-5)


def test_without_padding_they_are_torchs_own() -> None:
    x = torch.randn(3, 8, 20, 5)
    torch.testing.assert_close(BatchNorm(8)(x), nn.BatchNorm2d(8)(x), rtol=0, atol=0)
    torch.testing.assert_close(GroupNorm(2, 8)(x), nn.GroupNorm(2, 8)(x), rtol=0, atol=0)


@pytest.mark.parametrize("norm", [BatchNorm(8), GroupNorm(2, 8)])
def test_half_precision_is_summed_in_float32(norm: BatchNorm | GroupNorm) -> None:
    x, valid = padded()
    half = x.bfloat16()
    found = norm(half, valid)
    assert found.dtype == torch.bfloat16
    torch.testing.assert_close(found, norm(half.float(), valid).bfloat16(), rtol=0, atol=0)


def test_in_evaluation_batch_norm_does_not_look_at_the_batch() -> None:
    x, valid = padded()
    norm = BatchNorm(8).eval()
    torch.testing.assert_close(norm(x, valid), norm(x))
