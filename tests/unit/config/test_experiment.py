from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, TypeAlias

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from asclf.config import ExperimentConfig, component_config, experiment, load_experiment
from asclf.config.experiment import bind_experiment, origins
from asclf.config.merge import load_layers
from asclf.config.yaml import dump_yaml, parse_yaml
from asclf.errors import ConfigError, ConfigErrors
from asclf.registry import Registry

Write: TypeAlias = Callable[..., Path]


@component_config
class PartConfig:
    """Stands for the configuration of any component."""

    label: str | None = None
    """A word."""
    rate: float = 0.5
    """A number."""
    widths: tuple[int, ...] = (1, 2)
    """Several numbers."""
    shape: Literal["no", "on"] = "no"
    """One of two words that YAML 1.1 takes for booleans."""


DEFAULTS = {
    "frontend": "fbank",
    "augmenter": "noise",
    "backbone": "net",
    "head": "linear",
    "loss": "cross_entropy",
    "optimizer": "adamw",
    "scheduler": "warmup_cosine",
}


@pytest.fixture(autouse=True)
def stand_ins(monkeypatch: pytest.MonkeyPatch) -> None:
    """Puts a small component in the place of each real kind, so that no torch is loaded."""
    for kind, name in DEFAULTS.items():
        registry = Registry(kind, "asclf.errors")
        registry.register(name, PartConfig)(dict)
        registry.register(f"other_{name}", PartConfig, rate=2.5)(dict)
        monkeypatch.setattr(
            experiment, f"{kind.upper()}{'ES' if kind == 'loss' else 'S'}", registry
        )


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def file(text: str, name: str = "exp.yaml") -> Path:
        (tmp_path / name).write_text(text, encoding="utf-8")
        return tmp_path / name

    return file


MINIMAL = "backbone: {type: net}\n"


def test_backbone_is_all_that_must_be_said(write: Write) -> None:
    config = load_experiment(write(MINIMAL))
    assert (config.seed, config.sample_rate, config.augmenters) == (0, 16_000, ())
    assert config.head.entry.name == "linear"
    assert config.scheduler.entry.name == "warmup_cosine"


def test_file_without_a_backbone_is_refused(write: Write) -> None:
    with pytest.raises(ConfigError, match=r"exp.yaml:1:1: this backbone has no `type`"):
        load_experiment(write("seed: 1"))


def test_command_line_lies_over_the_file(write: Write) -> None:
    overrides = ["seed=7", "data.shards=/data/x", "backbone.rate=1e-3", "head.type=other_linear"]
    config = load_experiment(write(MINIMAL), overrides)
    assert config.seed == 7
    assert config.data.shards == "/data/x"
    assert config.backbone.config.rate == 0.001
    assert config.head.config.rate == 2.5


def test_all_errors_come_at_once_each_with_its_place(write: Write) -> None:
    text = """\
seed: x
sample_rat: 16000
backbone: {type: nat}
frontend: {type: fbank, rate: fast}
augmenters: [{type: noise}, {type: noise, widths: 1}]
train: {epochs: 0}
"""
    with pytest.raises(ConfigErrors) as caught:
        load_experiment(write(text), ["data.batch_size=big"])
    found = sorted(
        str(error).replace(str(write("").parent) + "/", "") for error in caught.value.errors
    )
    assert found == [
        'exp.yaml:1:7: `seed` is "x"; expected a valid integer',
        "exp.yaml:2:1: unknown key 'sample_rat'; did you mean 'sample_rate'?",
        "exp.yaml:3:18: unknown backbone 'nat'; did you mean 'net'?",
        'exp.yaml:4:31: `rate` is "fast"; expected a valid number',
        "exp.yaml:5:51: `widths` is 1; expected a list",
        "exp.yaml:6:17: `epochs` is 0; expected greater than 0",
        "override 'data.batch_size=big': `batch_size` is \"big\"; expected a valid integer",
    ]


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("seed: -1", "greater than or equal to 0"),
        ("sample_rate: 16", "greater than or equal to 1000"),
        ("data: {test_fold: -1}", "greater than or equal to 0"),
        ("data: {crop_s: 0}", "greater than 0"),
        ("train: {grad_clip: -1}", "greater than or equal to 0"),
        ("train: {engine: torhc}", "'torch'"),
        ("plugins: audioop", "a list"),
    ],
)
def test_value_out_of_bounds_is_refused(write: Write, text: str, what: str) -> None:
    with pytest.raises(ConfigError, match="expected") as caught:
        load_experiment(write(f"{MINIMAL}{text}"))
    assert what in str(caught.value)


def test_resolved_file_gives_the_same_configuration(write: Write) -> None:
    text = f"{MINIMAL}augmenters: [{{type: other_noise}}, {{type: noise, label: 'no'}}]"
    config = load_experiment(write(text), ["data.shards=wald/möwe 😀", "data.test_fold=2"])
    assert load_experiment(write(config.to_yaml())) == config


parts = st.fixed_dictionaries(
    {"type": st.sampled_from(["", "other_"])},
    optional={
        "label": st.none() | st.text(st.characters(codec="utf-8")),
        "rate": st.floats(allow_nan=False, allow_infinity=False) | st.integers(-9, 9),
        "widths": st.lists(st.integers(), max_size=4),
        "shape": st.sampled_from(["no", "on"]),
    },
)


def named(part: dict[str, Any], kind: str) -> dict[str, Any]:
    return {**part, "type": f"{part['type']}{DEFAULTS[kind]}"}


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    seed=st.integers(0, 2**40),
    shards=st.none() | st.text(st.characters(codec="utf-8")),
    kinds=st.fixed_dictionaries({kind: parts for kind in DEFAULTS if kind != "augmenter"}),
    augmenters=st.lists(parts, max_size=3),
)
def test_any_configuration_survives_its_own_file(
    seed: int,
    shards: str | None,
    kinds: dict[str, dict[str, Any]],
    augmenters: list[dict[str, Any]],
) -> None:
    config = bind_plain(
        {
            "seed": seed,
            "data": {"shards": shards},
            **{kind: named(part, kind) for kind, part in kinds.items()},
            "augmenters": [named(part, "augmenter") for part in augmenters],
        }
    )
    assert bind_experiment(parse_yaml(config.to_yaml(), "resolved")) == config


def bind_plain(values: dict[str, Any]) -> ExperimentConfig:
    return bind_experiment(parse_yaml(dump_yaml(values), "given"))


def test_every_value_has_an_origin(write: Write) -> None:
    write("frontend: {type: fbank, rate: 2}", "piece.yaml")
    text = f"base: [piece.yaml]\n{MINIMAL}augmenters: [{{type: noise, rate: 3}}]\n"
    path = write(text)
    root = load_layers(path, ["train.epochs=3", "augmenters.0.shape=on"])
    config = bind_experiment(root)
    found = {key: (value, origin) for key, value, origin in origins(config, root)}
    assert found["frontend.rate"] == (2.0, f"{path.with_name('piece.yaml')}:1:31")
    assert found["backbone.type"] == ("net", f"{path}:2:18")
    assert found["augmenters.0.rate"] == (3.0, f"{path}:3:34")
    assert found["augmenters.0.shape"] == ("on", "override 'augmenters.0.shape=on'")
    assert found["augmenters.0.widths"] == ((1, 2), "default")
    assert found["train.epochs"] == (3, "override 'train.epochs=3'")
    assert found["seed"] == (0, "default")


PLUGIN = """
from asclf.config import component_config, experiment

@component_config
class Mine:
    '''Nothing to choose.'''

experiment.BACKBONES.register("mine", Mine)(dict)
"""


def test_plugin_of_the_file_is_imported_before_names_are_looked_up(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(PLUGIN, "my_plugin.py")
    monkeypatch.syspath_prepend(path.parent)
    config = load_experiment(write("plugins: [my_plugin]\nbackbone: {type: mine}"))
    assert config.backbone.entry.name == "mine"
    assert config.plugins == ("my_plugin",)
    del sys.modules["my_plugin"]


@pytest.mark.parametrize(
    ("source", "what"),
    [
        (None, "ModuleNotFoundError: No module named 'torn_plugin'"),
        ("1 / 0", "ZeroDivisionError: division by zero"),
        ("def", "SyntaxError: invalid syntax"),
    ],
)
def test_plugin_that_cannot_be_imported_is_placed(
    write: Write, monkeypatch: pytest.MonkeyPatch, source: str | None, what: str
) -> None:
    path = write(f"{MINIMAL}plugins: [torn_plugin]")
    monkeypatch.syspath_prepend(path.parent)
    if source:
        write(source, "torn_plugin.py")
    with pytest.raises(ConfigError) as caught:
        load_experiment(path)
    assert str(caught.value.where) == f"{path}:2:11"
    assert what in str(caught.value)
