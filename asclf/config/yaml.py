"""YAML text to values that remember where they stand, and plain values back to text.

PyYAML reads YAML 1.1, in which `1e-3` is a string, `no` (a word of Speech Commands) is false,
`010` is 8, `1:30` is 90, and a repeated key silently wins. Here PyYAML only composes the text;
scalars are read by the core schema of YAML 1.2 (section 10.3.2), and duplicate keys, anchors and
tags are errors.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeAlias

import yaml

from asclf.errors import ConfigError

Scalar: TypeAlias = str | int | float | bool | None

NULL = re.compile(r"null|Null|NULL|~|")
BOOL = re.compile(r"true|True|TRUE|false|False|FALSE")
INT = re.compile(r"[-+]?[0-9]+")
OCTAL, HEX = re.compile(r"0o[0-7]+"), re.compile(r"0x[0-9a-fA-F]+")
FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
YAML_1_1_BOOL = re.compile(r"y|yes|n|no|on|off", re.IGNORECASE)
INFINITE = re.compile(r"[-+]?(\.inf|\.Inf|\.INF)|\.nan|\.NaN|\.NAN")


@dataclass(frozen=True)
class Mark:
    """A place: a file (or the command line) with line and column, both from 1."""

    source: str
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        return f"{self.source}:{self.line}:{self.column}" if self.line else self.source


@dataclass(frozen=True)
class Node:
    """A value and its place; in a mapping, also the place of its key."""

    value: Scalar | Sequence[Node] | Mapping[str, Node]
    mark: Mark
    key_mark: Mark | None = None

    def plain(self) -> Any:
        """The value without places: scalars, lists and dicts."""
        if isinstance(self.value, Mapping):
            return {key: node.plain() for key, node in self.value.items()}
        if isinstance(self.value, list | tuple):
            return [node.plain() for node in self.value]
        return self.value

    def at(self, path: Sequence[str | int]) -> Node:
        """The node at `path`, or the nearest one above it where the path leaves the tree."""
        return self.follow(path)[0]

    def follow(self, path: Sequence[str | int]) -> tuple[Node, tuple[str | int, ...]]:
        """Walks `path` as far as it exists; returns the node there, and the part walked."""
        node = self
        for depth, step in enumerate(path):
            if isinstance(node.value, Mapping) and step in node.value:
                node = node.value[str(step)]
            elif isinstance(node.value, list) and step in range(len(node.value)):
                node = node.value[int(step)]
            else:
                return node, tuple(path[:depth])
        return node, tuple(path)


def read_yaml(path: Path) -> Node:
    """Reads a YAML file.

    Raises:
        ConfigError: No such file, not text, or not YAML of the kind described above.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise ConfigError(
            f"cannot read the configuration: {reason}", where=path, expected="a YAML file"
        ) from error
    return parse_yaml(text, str(path))


def parse_yaml(text: str, source: str) -> Node:
    """Reads YAML text; `source` stands for the file in messages. Empty text is an empty mapping."""
    try:
        _refuse_anchors(text, source)
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        return Node({}, Mark(source, 1, 1)) if root is None else _convert(root, source)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = _mark(mark, source) if mark else source
        raise ConfigError(f"not YAML: {error.problem}", where=where) from error
    except yaml.reader.ReaderError as error:
        raise ConfigError(f"not YAML: {_unprintable(error)}", where=source) from error
    except RecursionError as error:
        raise ConfigError("not YAML of this kind: it is nested too deeply", where=source) from error


def _refuse_anchors(text: str, source: str) -> None:
    for token in yaml.scan(text, Loader=yaml.SafeLoader):
        if isinstance(token, yaml.AnchorToken | yaml.AliasToken | yaml.TagToken):
            raise ConfigError(
                "anchors, aliases and tags are not read here",
                where=_mark(token.start_mark, source),
                hint="write the value out, or share it through `base:`",
            )


def _unprintable(error: yaml.reader.ReaderError) -> str:
    return f"the character U+{error.character:04X} at position {error.position} is not text"


def _mark(mark: Any, source: str) -> Mark:
    return Mark(source, mark.line + 1, mark.column + 1)


def _convert(node: yaml.Node, source: str) -> Node:
    mark = _mark(node.start_mark, source)
    if isinstance(node, yaml.MappingNode):
        return Node(dict(_items(node, source)), mark)
    if isinstance(node, yaml.SequenceNode):
        return Node([_convert(item, source) for item in node.value], mark)
    assert isinstance(node, yaml.ScalarNode)
    is_plain = node.style is None  # neither quoted nor a block
    try:
        return Node(read_scalar(node.value) if is_plain else node.value, mark)
    except ValueError as error:  # Python reads no integer of more than 4300 digits
        raise ConfigError("this number has too many digits", where=mark) from error


def _items(node: yaml.MappingNode, source: str) -> Iterator[tuple[str, Node]]:
    seen: dict[str, Mark] = {}
    for key_node, value_node in node.value:
        mark = _mark(key_node.start_mark, source)
        if not isinstance(key_node, yaml.ScalarNode):
            raise ConfigError("a key must be a word", where=mark)
        key = key_node.value
        if key in seen:
            raise ConfigError(
                f"the key {key!r} stands twice", where=mark, hint=f"the first is at {seen[key]}"
            )
        seen[key] = mark
        yield key, replace(_convert(value_node, source), key_mark=mark)


def read_scalar(text: str) -> Scalar:
    """Reads one plain (unquoted) scalar by the core schema of YAML 1.2."""
    if NULL.fullmatch(text):
        return None
    if BOOL.fullmatch(text):
        return text.lower() == "true"
    if INT.fullmatch(text):
        return int(text)
    if OCTAL.fullmatch(text) or HEX.fullmatch(text):
        return int(text, 0)
    if FLOAT.fullmatch(text):
        return float(text)
    if INFINITE.fullmatch(text):
        return float(text.lower().replace(".", "", 1))
    return text


def dump_yaml(value: Any) -> str:
    """Writes plain values as YAML that `parse_yaml` reads back to equal values."""
    lines = list(_dump(value, 0))
    return "\n".join(lines) + "\n"


def _dump(value: Any, indent: int) -> Iterator[str]:
    pad = "  " * indent
    if isinstance(value, Mapping) and value:
        for key, item in value.items():
            yield from _dump_item(f"{pad}{_key(str(key))}:", item, indent)
    elif isinstance(value, list | tuple) and _is_deep(value):
        for item in value:
            first, *rest = _dump(item, indent + 1)
            yield f"{pad}- {first.lstrip()}"
            yield from rest
    else:
        yield pad + _flow(value)


def _dump_item(head: str, item: Any, indent: int) -> Iterator[str]:
    if _is_deep(item):
        yield head
        yield from _dump(item, indent + 1)
    else:
        yield f"{head} {_flow(item)}"


def _is_deep(value: Any) -> bool:
    """Whether a value takes lines of its own: a mapping, or a list that holds one."""
    if isinstance(value, list | tuple):
        return any(_is_deep(item) for item in value)
    return isinstance(value, Mapping) and bool(value)


def _key(key: str) -> str:
    return key if re.fullmatch(r"[A-Za-z_][\w-]*", key, re.ASCII) else _quoted(key)


def _flow(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_key(str(k))}: {_flow(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_flow, value)) + "]"
    if isinstance(value, float) and not math.isfinite(value):
        return ".nan" if math.isnan(value) else f"{'-' if value < 0 else ''}.inf"
    if isinstance(value, str) and _is_plain_word(value):
        return value
    return _quoted(str(value)) if isinstance(value, str | Path) else json.dumps(value)


def _quoted(text: str) -> str:
    """A double-quoted scalar in ASCII; JSON would write 😀 as a pair that YAML reads as two."""
    escaped = json.dumps(text, ensure_ascii=False)
    return re.sub(r"[^ -~]", lambda found: f"\\U{ord(found[0]):08x}", escaped)


def _is_plain_word(text: str) -> bool:
    if YAML_1_1_BOOL.fullmatch(text):
        return False  # quoted, so that other programs read the word as well
    return bool(re.fullmatch(r"[A-Za-z_][\w./-]*", text, re.ASCII)) and isinstance(
        read_scalar(text), str
    )
