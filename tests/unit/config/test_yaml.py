from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from asclf.config.yaml import Mark, dump_yaml, parse_yaml, read_scalar, read_yaml
from asclf.errors import ConfigError

words = st.text(st.characters(codec="utf-8"), max_size=30)
scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | words
    | st.sampled_from(
        ["no", "1e-3", "1:30", "~", "0x1F", ".inf", "😀", "a: b", "- a", "\x85\u2028"]
    )
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(words, inner, max_size=4),
    max_leaves=20,
)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-3", 0.001),
        ("1e3", 1000.0),
        (".5", 0.5),
        ("1.", 1.0),
        ("+3", 3),
        ("010", 10),
        ("0o10", 8),
        ("0x1F", 31),
        ("-.inf", -math.inf),
        ("true", True),
        ("False", False),
        ("null", None),
        ("~", None),
        ("", None),
        ("no", "no"),
        ("on", "on"),
        ("yes", "yes"),
        ("off", "off"),
        ("1:30", "1:30"),
        ("1_000", "1_000"),
        ("2024-01-01", "2024-01-01"),
        ("0b1", "0b1"),
        ("1e", "1e"),
        (".", "."),
        ("tRUE", "tRUE"),
    ],
)
def test_plain_scalar_follows_the_core_schema_of_yaml_1_2(text: str, value: object) -> None:
    got = read_scalar(text)
    assert got == value
    assert type(got) is type(value)


def test_not_a_number_is_read() -> None:
    assert math.isnan(read_scalar(".nan"))  # type: ignore[arg-type]


def test_quoted_scalar_stays_text() -> None:
    assert parse_yaml("a: '1'\nb: \"true\"\nc: |\n  3\n", "f").plain() == {
        "a": "1",
        "b": "true",
        "c": "3\n",
    }


def test_speech_commands_words_stay_words() -> None:
    assert parse_yaml("[yes, no, on, off]", "f").plain() == ["yes", "no", "on", "off"]


def test_every_value_knows_its_place() -> None:
    root = parse_yaml("a:\n  b: [x, yy]\nc: 1\n", "exp.yaml")
    assert str(root.at(["a", "b", 1]).mark) == "exp.yaml:2:10"
    assert str(root.at(["c"]).key_mark) == "exp.yaml:3:1"
    assert str(root.at(["c"]).mark) == "exp.yaml:3:4"


def test_path_that_leaves_the_tree_ends_at_the_nearest_node() -> None:
    root = parse_yaml("a: [1]", "f")
    node, walked = root.follow(["a", 7, "b"])
    assert (node.plain(), walked) == ([1], ("a",))
    assert root.follow(["a", 0]) == (root.at(["a", 0]), ("a", 0))


def test_text_without_values_is_an_empty_mapping() -> None:
    assert parse_yaml("# nothing\n", "f").plain() == {}


@pytest.mark.parametrize(
    ("text", "where", "what"),
    [
        ("a: 1\nb: 2\na: 3", "f:3:1", "the key 'a' stands twice"),
        ("a: {b: 1, b: 1}", "f:1:11", "the key 'b' stands twice"),
        ("a: &x 1\nb: *x", "f:1:4", "anchors, aliases and tags"),
        ("a: !!python/name:os.system x", "f:1:4", "anchors, aliases and tags"),
        ("? [1, 2]\n: 3", "f:1:3", "a key must be a word"),
        ("a: [1", "f:1:6", "not YAML: expected ',' or ']'"),
        ("a: 1\n b: 2", "f:2:3", "not YAML: mapping values are not allowed here"),
        ("a:\t1", "f:1:3", "cannot start any token"),
        ("a: 1\n---\nb: 2", "f:2:1", "another document"),
        ("a: \x07", "f", "the character U+0007 at position 3 is not text"),
        (f"a: {'9' * 5000}", "f:1:4", "too many digits"),
        ("[" * 5000, "f", "nested too deeply"),
    ],
)
def test_text_that_is_refused_is_refused_with_its_place(text: str, where: str, what: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_yaml(text, "f")
    assert caught.value.where == where
    assert what in caught.value.what
    assert "\n" not in str(caught.value)


def test_missing_file_and_bytes_that_are_no_text_are_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.yaml: cannot read .*: No such file"):
        read_yaml(tmp_path / "none.yaml")
    (tmp_path / "latin.yaml").write_bytes(b"a: \xff")
    with pytest.raises(ConfigError, match=r"latin\.yaml: cannot read .*: it is not UTF-8 text"):
        read_yaml(tmp_path / "latin.yaml")


@given(st.dictionaries(words, values, max_size=5))
def test_dumped_values_are_read_back_as_they_were(value: dict[str, Any]) -> None:
    text = dump_yaml(value)
    assert parse_yaml(text, "f").plain() == value
    assert text.isascii()


@given(st.lists(words | st.sampled_from(["no", "Off", "y", "1e-3", "null", "=", "<<"])))
def test_dumped_words_stay_words_to_readers_of_yaml_1_1(value: list[str]) -> None:
    assert yaml.safe_load(dump_yaml({"words": value})) == {"words": value}


@given(st.text(max_size=60))
def test_any_text_is_read_or_refused_in_one_line(text: str) -> None:
    try:
        parse_yaml(text, "f").plain()
    except ConfigError as error:
        assert "\n" not in str(error)


def test_mark_of_the_command_line_is_only_its_text() -> None:
    assert str(Mark("override 'a=1'")) == "override 'a=1'"
    assert str(Mark("f.yaml", 2, 5)) == "f.yaml:2:5"
