"""What every component's configuration promises."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from typing import Any

from asclf.config.bind import Binder
from asclf.config.component import Component, field_docs
from asclf.config.yaml import dump_yaml, parse_yaml
from asclf.registry import REGISTRIES, Entry
from asclf.testing._tools import Check


def check_config_has_defaults(entry: Entry) -> None:
    """A configuration can be made from nothing, and is a typed one."""
    assert is_dataclass(entry.configure()), f"{entry.config_type} is no @component_config"


def check_config_is_documented(entry: Entry) -> None:
    """The class, its configuration and every field of it have a doc string."""
    assert entry.factory.__doc__, f"{entry.factory} has no doc string"
    for config_type in _config_types(entry.configure()):
        doc, signature = config_type.__doc__, f"{config_type.__name__}("  # a dataclass's own doc
        assert doc and not doc.startswith(signature), f"{config_type} has no doc string"
        undocumented = {field.name for field in fields(config_type)} - {*field_docs(config_type)}
        assert not undocumented, f"{config_type.__name__}: no doc string below {undocumented}"


def check_config_round_trip(entry: Entry) -> None:
    """The configuration written as YAML and read again is the same."""
    component = Component(entry, entry.configure())
    text = dump_yaml({entry.kind: component.as_dict()})
    binder = Binder(parse_yaml(text, f"{entry.name}.yaml"))
    registry = next(each for each in REGISTRIES.values() if each.kind == entry.kind)
    again = binder.component(entry.kind, registry, default=None)
    binder.finish()
    found, expected = again.config, component.config
    assert found == expected, f"written and read again, it is {found}, expected {expected}"


def _config_types(config: Any) -> Iterator[Any]:
    """The type of a configuration and those of the configurations inside it."""
    yield type(config)
    for field in fields(config):
        value = getattr(config, field.name)
        if is_dataclass(value):
            yield from _config_types(value)


CHECKS: tuple[Check, ...] = (
    check_config_has_defaults,
    check_config_is_documented,
    check_config_round_trip,
)
