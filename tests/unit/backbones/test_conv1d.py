from __future__ import annotations

import pytest
import torch

from asclf.backbones._blocks.conv1d import (
    ConvReluNorm,
    TimeConv,
    frames_as_map,
    map_as_frames,
)
from asclf.backbones._blocks.valid import Valid


@pytest.mark.parametrize("reflect", [False, True])
@pytest.mark.parametrize(("kernel_size", "dilation"), [(1, 1), (3, 1), (3, 4), (5, 2)])
def test_training_convolves_as_evaluation_does(
    kernel_size: int, dilation: int, reflect: bool
) -> None:
    conv = TimeConv(6, 4, kernel_size, dilation, reflect=reflect)
    x = torch.randn(2, 6, 21, 1)
    results = []
    for training in (False, True):
        conv.train(training)
        inputs = x.clone().requires_grad_()
        y = conv(inputs)
        grads = torch.autograd.grad(y.square().sum(), [inputs, *conv.parameters()])
        results.append([y, *grads])
    torch.testing.assert_close(results[1], results[0])
    assert y.shape == (2, 4, 21 if reflect else 21 - dilation * (kernel_size - 1), 1)


def test_a_map_and_its_gradient_have_the_channels_last() -> None:
    feats = torch.randn(2, 30, 8)
    x = frames_as_map(feats).requires_grad_()
    assert x.is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(map_as_frames(x), feats)
    hidden = ConvReluNorm(8, 5, kernel_size=3)(x)
    y = ConvReluNorm(5, 4, kernel_size=3, reflect=False)(hidden)
    strides: list[tuple[int, ...]] = []
    for value in (y, hidden):
        value.register_hook(lambda grad: strides.append(grad.stride()))
    map_as_frames(y).square().sum().backward()
    assert strides == [(112, 1, 4, 4), (150, 1, 5, 5)]


def test_padding_does_not_count_in_the_norm() -> None:
    alone, padded = ConvReluNorm(8, 5), ConvReluNorm(8, 5)
    padded.load_state_dict(alone.state_dict())
    feats = torch.randn(2, 30, 8)
    longer = torch.cat([feats, torch.full((2, 9, 8), 100.0)], dim=1)
    found = padded(frames_as_map(longer), Valid(torch.tensor([30, 30]), 39))
    torch.testing.assert_close(found[:, :, :30], alone(frames_as_map(feats)))
    torch.testing.assert_close(padded.norm.running_mean, alone.norm.running_mean)
