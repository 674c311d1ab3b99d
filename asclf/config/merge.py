"""Layers of configuration: base files, the file itself, then `key.path=value` overrides.

Mappings merge key by key; scalars and lists replace. A mapping that names another `type` than the
one below it is another component: it replaces the whole, so no option of the old one is left over.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from asclf.config.yaml import Mark, Node, parse_yaml, read_yaml
from asclf.errors import ConfigError


def load_layers(path: Path, overrides: Sequence[str] = ()) -> Node:
    """Reads `path`, its `base:` files (one level deep) and applies `overrides` in order.

    Those that set a `type` go first: an option set beside it belongs to the new component.
    """
    own = _mapping(read_yaml(path))
    merged = Node({}, own.mark)
    for base in _bases(own):
        merged = merge(merged, _read_base(_beside(path, str(base.value)), base.mark))
    merged = merge(merged, _without_base(own))
    for override in sorted(overrides, key=_sets_type, reverse=True):
        merged = apply_override(merged, override)
    return merged


def merge(below: Node, above: Node) -> Node:
    """Lays `above` over `below`; neither is changed."""
    if not isinstance(below.value, Mapping) or not isinstance(above.value, Mapping):
        return above
    if _names_other_type(below.value, above.value):
        return above
    merged = dict(below.value)
    for key, node in above.value.items():
        merged[key] = merge(merged[key], node) if key in merged else node
    return replace(above, value=merged)


def apply_override(root: Node, text: str) -> Node:
    """Applies one `key.path=value`; the value is YAML, a number in the path indexes a list.

    Raises:
        ConfigError: Not of that form, or the path goes through something that has no keys.
    """
    key, equals, value = text.partition("=")
    mark = Mark(f"override '{text}'")
    if not equals or not re.fullmatch(r"[\w-]+(\.[\w-]+)*", key.strip()):
        raise ConfigError("cannot be applied", where=mark, expected="key.path=value")
    leaf = replace(_at_command_line(parse_yaml(value, str(mark)), mark), key_mark=mark)
    if not value.strip():
        leaf = replace(leaf, value=None)
    return _set(root, key.strip().split("."), leaf, mark)


def _sets_type(override: str) -> bool:
    return override.partition("=")[0].strip().endswith(".type")


def _set(node: Node, steps: Sequence[str], leaf: Node, mark: Mark) -> Node:
    step, rest = steps[0], steps[1:]
    if isinstance(node.value, list) and step.isdigit() and int(step) < len(node.value):
        items = list(node.value)
        items[int(step)] = _set(items[int(step)], rest, leaf, mark) if rest else leaf
        return replace(node, value=items)
    if node.value is None:
        node = replace(node, value={})
    if not isinstance(node.value, Mapping):
        raise ConfigError(f"there is no {step!r} to set", where=mark, hint=f"see {node.mark}")
    child = node.value.get(step, Node(None, mark, mark))
    new = _set(child, rest, leaf, mark) if rest else _replace_leaf(child, step, leaf)
    return _drop_options_of_old_type(node, replace(node, value={**node.value, step: new}), step)


def _replace_leaf(child: Node, step: str, leaf: Node) -> Node:
    return leaf if step == "type" else merge(child, leaf)


def _drop_options_of_old_type(old: Node, new: Node, step: str) -> Node:
    if step != "type" or not isinstance(old.value, Mapping) or not isinstance(new.value, Mapping):
        return new
    return (
        replace(new, value={"type": new.value["type"]})
        if _names_other_type(old.value, new.value)
        else new
    )


def _names_other_type(below: Mapping[str, Node], above: Mapping[str, Node]) -> bool:
    if "type" not in below or "type" not in above:
        return False
    return below["type"].value != above["type"].value


def _at_command_line(node: Node, mark: Mark) -> Node:
    value = node.value
    if isinstance(value, Mapping):
        value = {key: _at_command_line(child, mark) for key, child in value.items()}
    elif isinstance(value, list):
        value = [_at_command_line(child, mark) for child in value]
    return Node(value, mark, mark if node.key_mark else None)


def _bases(own: Node) -> Sequence[Node]:
    assert isinstance(own.value, Mapping)
    node = own.value.get("base", Node([], own.mark))
    if not isinstance(node.value, list) or not all(isinstance(b.value, str) for b in node.value):
        raise ConfigError("`base` is not a list of files", where=node.mark, expected="base: [FILE]")
    return node.value


def _beside(path: Path, name: str) -> Path:
    """The file of that name as seen from `path`, without `..` where it stands in messages."""
    return Path(os.path.normpath(path.parent / name))


def _read_base(path: Path, asked_at: Mark) -> Node:
    if not path.is_file():
        raise ConfigError(f"there is no base file {path}", where=asked_at)
    root = _mapping(read_yaml(path))
    assert isinstance(root.value, Mapping)
    if "base" in root.value:
        raise ConfigError(
            "a base file has a base of its own",
            where=root.value["base"].key_mark,
            expected="one level of bases",
            hint="list both files in the `base:` of the upper one",
        )
    return root


def _without_base(root: Node) -> Node:
    assert isinstance(root.value, Mapping)
    return replace(root, value={k: node for k, node in root.value.items() if k != "base"})


def _mapping(root: Node) -> Node:
    if not isinstance(root.value, Mapping):
        raise ConfigError("the file is not a mapping", where=root.mark, expected="`key: value`")
    return root
