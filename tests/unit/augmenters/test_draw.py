from __future__ import annotations

from pathlib import Path

import pytest
import torch

from asclf.augmenters._draw import clips_that_happen, happens, uniform, whole_number
from asclf.config.bind import bind
from asclf.config.yaml import parse_yaml
from asclf.errors import ConfigErrors
from asclf.registry import AUGMENTERS


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def test_events_happen_as_often_as_their_probability_says() -> None:
    source = generator()
    happened = [happens(0.3, source) for _ in range(2000)]
    assert sum(happened) / 2000 == pytest.approx(0.3, abs=0.03)
    assert clips_that_happen(2000, 0.3, source).float().mean().item() == pytest.approx(
        0.3, abs=0.03
    )


@pytest.mark.parametrize(("prob", "expected"), [(0.0, False), (1.0, True)])
def test_the_certain_and_the_impossible(prob: float, expected: bool) -> None:
    source = generator()
    assert all(happens(prob, source) is expected for _ in range(100))


def test_an_event_takes_one_draw_whatever_its_probability() -> None:
    states = []
    for prob in (0.0, 0.5, 1.0):
        source = generator()
        happens(prob, source)
        states.append(source.get_state())
    assert torch.equal(states[0], states[1]) and torch.equal(states[1], states[2])


def test_numbers_stay_within_their_bounds() -> None:
    source = generator()
    numbers = [uniform((-3.0, 5.0), source) for _ in range(500)]
    assert -3 <= min(numbers) < -2.5 and 4.5 < max(numbers) <= 5
    assert {whole_number(-1, 2, source) for _ in range(100)} == {-1, 0, 1, 2}


@pytest.mark.parametrize(("name", "key"), [("gain", "gain_db"), ("gaussian_noise", "snr_db")])
def test_bounds_in_the_wrong_order_are_refused_with_their_place(
    name: str, key: str, tmp_path: Path
) -> None:
    node = parse_yaml(f"{key}: [6, -6]", str(tmp_path / "exp.yaml"))
    with pytest.raises(ConfigErrors, match=rf"exp.yaml:1:\d+: `{key}` is .*smallest, largest"):
        bind(node, AUGMENTERS.get(name).config_type)
