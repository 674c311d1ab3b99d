"""The moving average of the weights: what it is, and that a file brings it back."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from asclf.errors import ConfigError
from asclf.train.ema import MovingAverage


def small_model() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3)).to(
        memory_format=torch.channels_last
    )


def take_step(model: nn.Module, number: int) -> None:
    """Changes weights, statistics and counters."""
    generator = torch.Generator().manual_seed(number)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=generator))
    model(torch.randn(2, 2, 5, 5, generator=generator))


def test_it_is_the_average_that_its_definition_says_statistics_included() -> None:
    model = small_model()
    average = MovingAverage(model, decay=0.5)
    expected: dict[str, Tensor] = {}
    for number, decay in enumerate([0.0, 2 / 11, 3 / 12, 4 / 13, 5 / 14]):
        take_step(model, number)
        average.update(model)
        for name, tensor in model.state_dict().items():
            old = expected.get(name, tensor)
            expected[name] = decay * old.double() + (1 - decay) * tensor.double()
    found = average.weights()
    assert found.keys() == expected.keys()
    assert found["1.num_batches_tracked"] == 5
    for name in found.keys() - {"1.num_batches_tracked"}:
        torch.testing.assert_close(found[name].double(), expected[name], rtol=1e-5, atol=1e-6)


def test_late_in_a_run_it_holds_on_to_as_much_as_is_configured() -> None:
    model = small_model()
    average = MovingAverage(model, decay=0.3)
    for number in range(40):
        take_step(model, number)
        average.update(model)
    before = average.weights()["0.weight"].clone()
    take_step(model, 40)
    average.update(model)
    expected = 0.3 * before + 0.7 * model.state_dict()["0.weight"]
    torch.testing.assert_close(average.weights()["0.weight"], expected)


def test_it_does_not_touch_the_network_and_keeps_its_layout() -> None:
    model = small_model()
    average = MovingAverage(model, decay=0.9)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    average.update(model)
    take_step(model, 1)
    averaged = average.weights()
    assert all(torch.equal(averaged[name], before[name]) for name in before)
    assert averaged["0.weight"].is_contiguous(memory_format=torch.channels_last)


def test_what_is_loaded_goes_on_as_what_was_saved() -> None:
    model = small_model()
    average, other = MovingAverage(model, decay=0.9), MovingAverage(small_model(), decay=0.9)
    for number in range(3):
        take_step(model, number)
        average.update(model)
    other.load({name: tensor.clone() for name, tensor in average.tensors().items()})
    take_step(model, 3)
    for each in (average, other):
        each.update(model)
    found, expected = other.weights(), average.weights()
    assert all(torch.equal(found[name], expected[name]) for name in expected)


def test_an_engine_whose_ranks_hold_parts_of_the_weights_is_refused_in_one_line() -> None:
    engine: Any = SimpleNamespace(model=small_model(), has_whole_weights=False)
    assert MovingAverage.of(engine, None) is None
    with pytest.raises(ConfigError, match=r"`train\.ema` needs the weights whole.*ZeRO stage"):
        MovingAverage.of(engine, 0.99)
