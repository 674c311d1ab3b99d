from __future__ import annotations

from typing import Annotated, Literal

import pytest
from pydantic import Field, PositiveInt

from asclf.config import component_config
from asclf.config.bind import Binder, bind, unknown_key
from asclf.config.yaml import parse_yaml
from asclf.errors import ConfigError, ConfigErrors
from asclf.registry import Registry


@component_config
class BandConfig:
    """A band of frequencies."""

    low_freq_hz: float = 20.0
    """Lower edge."""
    high_freq_hz: float = 8000.0
    """Upper edge."""


@component_config
class SieveConfig:
    """Something with a field of every type."""

    count: PositiveInt = 1
    """How many."""
    share: Annotated[float, Field(ge=0, le=1)] = 0.5
    """How much."""
    window: Literal["hann", "povey"] = "povey"
    """Which shape."""
    center: bool = True
    """Whether frames are centred."""
    channels: tuple[int, ...] = (16, 32)
    """Width of each stage."""
    stride: tuple[int, int] = (1, 1)
    """Over time and frequency."""
    level: float | None = None
    """Where it is levelled to."""
    size: int | str = "auto"
    """Number, or a word."""
    band: BandConfig = BandConfig()
    """What is kept."""


def bound(text: str, **defaults: object) -> SieveConfig:
    return bind(parse_yaml(text, "f"), SieveConfig, defaults)


def errors_of(text: str) -> list[str]:
    with pytest.raises(ConfigErrors) as caught:
        bound(text)
    return [str(error) for error in caught.value.errors]


def test_nothing_gives_the_defaults() -> None:
    assert bound("") == SieveConfig()


def test_values_are_bound_with_their_types() -> None:
    text = (
        "{count: 3, share: 1, channels: [8], stride: [1, 2], level: null, band: {low_freq_hz: 0}}"
    )
    config = bound(text)
    assert config.channels == (8,)
    assert config.stride == (1, 2)
    assert config.band == BandConfig(low_freq_hz=0.0)
    assert isinstance(config.share, float)


def test_defaults_of_a_variant_lie_below_the_file() -> None:
    config = bound("{share: 0.1, band: {low_freq_hz: 50}}", share=0.9, band={"high_freq_hz": 1.0})
    assert (config.share, config.band) == (0.1, BandConfig(low_freq_hz=50.0, high_freq_hz=1.0))


def test_defaults_of_a_variant_may_be_configurations() -> None:
    assert bound("band: {low_freq_hz: 1}", band=BandConfig(high_freq_hz=2.0)).band == BandConfig(
        low_freq_hz=1.0, high_freq_hz=2.0
    )


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("count: true", "f:1:8: `count` is true; expected a valid integer"),
        ("count: 3.0", "f:1:8: `count` is 3.0; expected a valid integer"),
        ("count: '3'", 'f:1:8: `count` is "3"; expected a valid integer'),
        ("count: 0", "f:1:8: `count` is 0; expected greater than 0"),
        ("share: 1.5", "f:1:8: `share` is 1.5; expected less than or equal to 1"),
        ("share: .inf", "f:1:8: `share` is Infinity; expected a finite number"),
        ("share: .nan", "f:1:8: `share` is NaN; expected a finite number"),
        ("window: ham", "f:1:9: `window` is \"ham\"; expected 'hann' or 'povey'"),
        ("center: yes", 'f:1:9: `center` is "yes"; expected a valid boolean'),
        ("channels: 3", "f:1:11: `channels` is 3; expected a list"),
        ("channels: [1, x]", 'f:1:15: `channels.1` is "x"; expected a valid integer'),
        ("stride: [1]", "f:1:9: `stride` is [1], which is too short"),
        ("band: 3", "f:1:7: `band` is 3; expected a mapping"),
        ("band: {low_freq_hz: x}", 'f:1:21: `band.low_freq_hz` is "x"; expected a valid number'),
        ("band: {low_freq: 1}", "f:1:8: unknown key 'low_freq'; did you mean 'low_freq_hz'?"),
        ("chanels: [1]", "f:1:1: unknown key 'chanels'; did you mean 'channels'?"),
        ("- 1", "f:1:1: this is not a mapping; expected `key: value`"),
    ],
)
def test_wrong_value_is_one_placed_error(text: str, error: str) -> None:
    assert errors_of(text) == [error]


def test_list_that_is_too_long_is_refused() -> None:
    assert errors_of("stride: [1, 2, 3]")[0].startswith("f:1:9: `stride` is [1, 2, 3]: ")


def test_value_that_fits_no_type_of_a_union_is_named_without_pydantics_words() -> None:
    assert errors_of("size: 1.5") == [
        "f:1:7: `size` is 1.5; expected a valid integer",
        "f:1:7: `size` is 1.5; expected a valid string",
    ]


def test_unknown_key_far_from_all_lists_what_there_is() -> None:
    assert errors_of("band: {zzz: 1}") == [
        "f:1:8: unknown key 'zzz'; known keys: low_freq_hz, high_freq_hz"
    ]
    assert "known keys: none" in str(unknown_key("x", None, []))


def test_long_value_is_shortened_in_the_message() -> None:
    (error,) = errors_of(f"window: {'x' * 500}")
    assert len(error) < 130


def test_all_errors_come_at_once() -> None:
    assert len(errors_of("{count: x, share: 2, windoww: hann, band: {low_freq_hz: a}}")) == 4


@pytest.fixture
def sieves() -> Registry:
    """A kind of component with no built-in ones of its own."""
    registry = Registry("sieve", "asclf.errors")
    registry.register("fine", SieveConfig)(dict)
    registry.register("coarse", SieveConfig, count=9)(dict)
    return registry


def binder(text: str) -> Binder:
    return Binder(parse_yaml(text, "f"))


def test_component_takes_the_defaults_of_its_variant(sieves: Registry) -> None:
    component = binder("sieve: {type: coarse, share: 0.25}").component("sieve", sieves, None)
    assert (component.config.count, component.config.share) == (9, 0.25)
    assert component.as_dict()["type"] == "coarse"


def test_component_that_is_absent_is_the_default_one(sieves: Registry) -> None:
    assert binder("").component("sieve", sieves, "fine").entry.name == "fine"
    assert binder("sieve: {share: 0.1}").component("sieve", sieves, "fine").config.share == 0.1


def test_list_of_components_keeps_its_order(sieves: Registry) -> None:
    found = binder("all: [{type: coarse}, {type: fine}]").components("all", sieves)
    assert [component.entry.name for component in found] == ["coarse", "fine"]
    assert binder("all:").components("all", sieves) == ()


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("sieve: fine", "f:1:8: a sieve is a mapping; expected type: NAME and its options"),
        ("sieve: {share: 1}", "f:1:8: this sieve has no `type`; expected type: NAME"),
        ("sieve: {type: [a]}", "f:1:15: this sieve has no `type`; expected type: NAME"),
        ("sieve: {type: fin}", "f:1:15: unknown sieve 'fin'; did you mean 'fine'?"),
        ("sieve: {type: fine, x: 1}", "f:1:21: unknown key 'x'; known keys: count, share, "),
    ],
)
def test_wrong_component_is_one_placed_error(sieves: Registry, text: str, error: str) -> None:
    wrong = binder(text)
    wrong.component("sieve", sieves, None)
    with pytest.raises(ConfigError) as caught:
        wrong.finish()
    assert str(caught.value).startswith(error)


def test_components_that_are_no_list_are_refused(sieves: Registry) -> None:
    wrong = binder("all: {type: fine}")
    assert wrong.components("all", sieves) == ()
    with pytest.raises(ConfigError, match="`all` is not a list; expected a list of errors"):
        wrong.finish()


def test_errors_of_all_parts_are_raised_together(sieves: Registry) -> None:
    wrong = binder("sive: 1\nsieve: {type: fine, count: x}\nsection: {share: 2}")
    wrong.keys(["sieve", "section"])
    wrong.component("sieve", sieves, None)
    assert wrong.section("section", SieveConfig) == SieveConfig()
    with pytest.raises(ConfigErrors) as caught:
        wrong.finish()
    assert str(caught.value).splitlines() == [
        "f:1:1: unknown key 'sive'; did you mean 'sieve'?",
        'f:2:28: `count` is "x"; expected a valid integer',
        "f:3:18: `share` is 2; expected less than or equal to 1",
    ]


def test_nothing_wrong_raises_nothing() -> None:
    binder("").finish()


def test_section_left_empty_is_the_defaults(sieves: Registry) -> None:
    empty = binder("section:\nsieve:\n")
    assert empty.section("section", SieveConfig) == SieveConfig()
    assert empty.component("sieve", sieves, "fine").config == SieveConfig()
    empty.finish()
