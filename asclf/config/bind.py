"""Values with places to typed configurations, with every error collected and placed.

pydantic does the checking, in strict mode and from JSON (so that `true` is not 1, `3` may stand for
`3.0`, and a list may stand for a tuple); this module finds the place of each error in the file, and
the nearest right name of an unknown key.
"""

from __future__ import annotations

import dataclasses
import difflib
import json
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import Any, TypeVar, cast, get_type_hints

import pydantic

from asclf.config.component import Component
from asclf.config.yaml import Mark, Node
from asclf.errors import ConfigError, ConfigErrors
from asclf.registry import Registry

C = TypeVar("C")

YAML_WORDS = {"a valid array": "a list", "an object": "a mapping"}  # for JSON's


class Binder:
    """Binds the parts of one file and raises all their errors together.

    What cannot be bound is noted; defaults (no component) stand in for it until `finish` raises.
    """

    def __init__(self, root: Node) -> None:
        self.root = root
        self.errors: list[ConfigError] = []

    def keys(self, allowed: Sequence[str]) -> None:
        """Notes every key of the root that is not one of `allowed`."""
        for key, node in _mapping(self.root).items():
            if key not in allowed:
                self.errors.append(unknown_key(key, node.key_mark, allowed))

    def section(self, key: str, config_type: type[C]) -> C:
        """Binds the mapping under `key`, or the defaults where there is none."""
        return self._bind(self._part(key), config_type, {})

    def subset(self, keys: Sequence[str], config_type: type[C]) -> C:
        """Binds those keys of the root that stand alone, in no section."""
        values = {key: node for key, node in _mapping(self.root).items() if key in keys}
        return self._bind(dataclasses.replace(self.root, value=values), config_type, {})

    def component(self, key: str, registry: Registry, default: str | None) -> Component:
        """Binds the component under `key`; `default` is its type where none is named."""
        return cast(Component, self._component(self._part(key), registry, default))

    def components(self, key: str, registry: Registry) -> tuple[Component, ...]:
        """Binds the list of components under `key`."""
        node = _mapping(self.root).get(key)
        if node is None or node.value is None:
            return ()
        if not isinstance(node.value, list):
            self._note(f"`{key}` is not a list", node.mark, f"a list of {registry.plural}")
            return ()
        found = [self._component(item, registry, None) for item in node.value]
        return tuple(component for component in found if component is not None)

    def finish(self) -> None:
        """Raises what was noted: one error as itself, several as `ConfigErrors`."""
        if len(self.errors) == 1:
            raise self.errors[0]
        if self.errors:
            raise ConfigErrors(self.errors)

    def _part(self, key: str) -> Node:
        node = _mapping(self.root).get(key, self.root)
        return Node({}, node.mark) if node is self.root or node.value is None else node

    def _component(self, node: Node, registry: Registry, default: str | None) -> Any:
        if not isinstance(node.value, Mapping):
            self._note(f"a {registry.kind} is a mapping", node.mark, "type: NAME and its options")
            return None
        type_node = node.value.get("type", Node(default, node.mark))
        if not isinstance(type_node.value, str):
            self._note(f"this {registry.kind} has no `type`", type_node.mark, "type: NAME")
            return None
        try:
            entry = registry.get(type_node.value, where=type_node.mark)
        except ConfigError as error:
            self.errors.append(error)
            return None
        options = dataclasses.replace(
            node, value={key: item for key, item in node.value.items() if key != "type"}
        )
        return Component(entry, self._bind(options, entry.config_type, entry.defaults))

    def _bind(self, node: Node, config_type: type[C], defaults: Mapping[str, Any]) -> C:
        try:
            return bind(node, config_type, defaults)
        except ConfigErrors as found:
            self.errors += found.errors
            return config_type()

    def _note(self, what: str, where: Mark, expected: str) -> None:
        self.errors.append(ConfigError(what, where=where, expected=expected))


def bind(node: Node, config_type: type[C], defaults: Mapping[str, Any] | None = None) -> C:
    """Makes a `config_type` of a mapping; `defaults` are a variant's own values below it.

    Raises:
        ConfigErrors: Every unknown key, wrong type and value out of bounds, each with its place.
    """
    if not isinstance(node.value, Mapping):
        error = ConfigError("this is not a mapping", where=node.mark, expected="`key: value`")
        raise ConfigErrors([error])
    values = _over(_plain(defaults or {}), node.plain())
    adapter: pydantic.TypeAdapter[C] = pydantic.TypeAdapter(config_type)
    try:
        return adapter.validate_json(json.dumps(values))
    except pydantic.ValidationError as error:
        raise ConfigErrors([_placed(item, node, config_type) for item in error.errors()]) from error


def _placed(item: Any, node: Node, config_type: type) -> ConfigError:
    path = item["loc"]
    if item["type"] in ("unexpected_keyword_argument", "extra_forbidden"):
        parent = node.at(path[:-1])
        child = _mapping(parent).get(str(path[-1]))
        known = _field_names(config_type, path[:-1])
        return unknown_key(str(path[-1]), child.key_mark if child else parent.mark, known)
    place, walked = node.follow(path)  # pydantic adds the type tried, where a union has several
    name = ".".join(map(str, walked)) or config_type.__name__
    what = f"`{name}` is {_shown(place.plain() if walked else item['input'])}"
    if item["type"] == "missing":  # every field has a default, so this is an item of a tuple
        return ConfigError(f"{what}, which is too short", where=place.mark)
    before, should_be, message = item["msg"].partition("Input should be ")
    if not should_be:
        return ConfigError(f"{what}: {before.removeprefix('Value error, ')}", where=place.mark)
    return ConfigError(what, where=place.mark, expected=YAML_WORDS.get(message, message))


def unknown_key(key: str, where: Mark | None, known: Sequence[str]) -> ConfigError:
    """The error for a key that does not exist, with the nearest one that does."""
    near = difflib.get_close_matches(key, known, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"known keys: {', '.join(known) or 'none'}"
    return ConfigError(f"unknown key {key!r}", where=where, hint=hint)


def _shown(value: Any) -> str:
    text = json.dumps(value, default=str)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _field_names(config_type: Any, path: Sequence[str | int]) -> list[str]:
    for step in path:
        hints = get_type_hints(config_type) if is_dataclass(config_type) else {}
        config_type = hints.get(str(step), config_type)
    return [field.name for field in fields(config_type)] if is_dataclass(config_type) else []


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return _plain(dataclasses.asdict(value))
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value


def _over(below: Any, above: Any) -> Any:
    if not isinstance(below, Mapping) or not isinstance(above, Mapping):
        return above
    return {**below, **{key: _over(below.get(key), item) for key, item in above.items()}}


def _mapping(node: Node) -> Mapping[str, Node]:
    return node.value if isinstance(node.value, Mapping) else {}
