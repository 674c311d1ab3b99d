from __future__ import annotations

import pytest
import torch
from torch.nn.functional import interpolate

from asclf.backbones._blocks.means import mean_over_frequency, mean_over_map, mean_over_time
from asclf.backbones._blocks.upsample import add_repeated
from asclf.backbones._blocks.valid import Valid


def test_means_are_means() -> None:
    x = torch.randn(2, 3, 11, 5)
    torch.testing.assert_close(mean_over_frequency(x), x.mean(3, keepdim=True))
    torch.testing.assert_close(mean_over_time(x), x.mean(2, keepdim=True))
    torch.testing.assert_close(mean_over_map(x), x.mean((2, 3), keepdim=True))


def test_padding_is_no_part_of_a_mean() -> None:
    x = torch.randn(2, 3, 11, 5)
    valid = Valid(torch.tensor([11, 4]), 11)
    expected = x[1:, :, :4]
    torch.testing.assert_close(mean_over_time(x, valid)[1:], expected.mean(2, keepdim=True))
    torch.testing.assert_close(mean_over_map(x, valid)[1:], expected.mean((2, 3), keepdim=True))


def test_gradients_keep_the_channels_last() -> None:
    x = torch.randn(2, 3, 11, 5).to(memory_format=torch.channels_last).requires_grad_()
    for mean in (mean_over_frequency, mean_over_time, mean_over_map):
        (gradient,) = torch.autograd.grad(mean(x).sum(), x)
        assert gradient.is_contiguous(memory_format=torch.channels_last), mean.__name__


@pytest.mark.parametrize("frames", [1, 2, 7, 8, 4001, 9999])
@pytest.mark.parametrize("bins", [5, 8])
def test_cell_t_f_gets_cell_t_half_f_half(frames: int, bins: int) -> None:
    x = torch.zeros(1, 1, frames, bins)
    y = torch.randn(1, 1, -(-frames // 2), -(-bins // 2))
    found = add_repeated(x, y, 2)
    rows, columns = torch.arange(frames) // 2, torch.arange(bins) // 2
    assert torch.equal(found, y[:, :, rows][:, :, :, columns])
    assert torch.equal(found, interpolate(y, scale_factor=2.0)[:, :, :frames, :bins])


def test_a_factor_of_one_is_plain_addition() -> None:
    x, y = torch.randn(2, 1, 2, 5, 4)
    assert torch.equal(add_repeated(x, y, 1), x + y)
