from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from asclf.config.merge import apply_override, load_layers, merge
from asclf.config.yaml import parse_yaml
from asclf.errors import ConfigError

Write: TypeAlias = Callable[[str, str], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def file(name: str, text: str) -> Path:
        (tmp_path / name).write_text(text, encoding="utf-8")
        return tmp_path / name

    return file


def merged(below: str, above: str) -> Any:
    return merge(parse_yaml(below, "below"), parse_yaml(above, "above")).plain()


def overridden(text: str, *overrides: str) -> Any:
    root = parse_yaml(text, "f")
    for override in overrides:
        root = apply_override(root, override)
    return root.plain()


def test_mappings_merge_and_all_else_is_replaced() -> None:
    below = "{a: {x: 1, y: 2}, list: [1, 2], keep: 1}"
    assert merged(below, "{a: {y: 3}, list: [4], new: 5}") == {
        "a": {"x": 1, "y": 3},
        "list": [4],
        "keep": 1,
        "new": 5,
    }


def test_options_of_another_component_are_not_left_over() -> None:
    below = "backbone: {type: a, width: 3}"
    assert merged(below, "backbone: {type: b}") == {"backbone": {"type": "b"}}
    assert merged(below, "backbone: {type: a, depth: 1}") == {
        "backbone": {"type": "a", "width": 3, "depth": 1}
    }
    assert merged(below, "backbone: {width: 4}") == {"backbone": {"type": "a", "width": 4}}


def test_null_replaces_a_mapping() -> None:
    assert merged("a: {x: 1}", "a: null") == {"a": None}


def test_bases_lie_below_the_file_in_their_order(write: Write) -> None:
    write("one.yaml", "{a: 1, b: 1, c: 1}")
    write("two.yaml", "{b: 2, c: 2}")
    top = load_layers(write("top.yaml", "base: [one.yaml, two.yaml]\nc: 3"))
    assert top.plain() == {"a": 1, "b": 2, "c": 3}
    assert [Path(str(top.at([key]).mark)).name for key in "abc"] == [
        "one.yaml:1:5",
        "two.yaml:1:5",
        "top.yaml:2:4",
    ]


def test_base_is_found_beside_the_file_that_names_it(write: Write, tmp_path: Path) -> None:
    (tmp_path / "shared").mkdir()
    write("shared/piece.yaml", "a: 1")
    assert load_layers(write("top.yaml", "base: [shared/piece.yaml]")).plain() == {"a": 1}


def test_second_level_of_bases_is_refused(write: Write) -> None:
    write("ground.yaml", "a: 1")
    write("middle.yaml", "base: [ground.yaml]")
    with pytest.raises(ConfigError, match="a base file has a base of its own") as caught:
        load_layers(write("top.yaml", "base: [middle.yaml]"))
    assert str(caught.value.where).endswith("middle.yaml:1:1")


@pytest.mark.parametrize("base", ["one.yaml", "[1]", "{a: 1}", ""])
def test_base_that_is_no_list_of_files_is_refused(write: Write, base: str) -> None:
    with pytest.raises(ConfigError, match=r"top.yaml:1:\d: `base` is not a list of files"):
        load_layers(write("top.yaml", f"base: {base}"))


def test_base_that_is_missing_is_named_with_who_asked(write: Write) -> None:
    with pytest.raises(ConfigError, match=r"top\.yaml:2:8: there is no base file .*none\.yaml"):
        load_layers(write("top.yaml", "a: 1\nbase: [none.yaml]"))


def test_file_that_is_no_mapping_is_refused(write: Write) -> None:
    with pytest.raises(ConfigError, match=r"top\.yaml:1:1: the file is not a mapping"):
        load_layers(write("top.yaml", "[1]"))


@pytest.mark.parametrize(
    ("override", "value"),
    [
        ("a.x=2", {"a": {"x": 2}, "l": [{"p": 1}]}),
        ("a.x=1e-3", {"a": {"x": 0.001}, "l": [{"p": 1}]}),
        ("a.x=no", {"a": {"x": "no"}, "l": [{"p": 1}]}),
        ("a.x=", {"a": {"x": None}, "l": [{"p": 1}]}),
        ("a.x=a=b", {"a": {"x": "a=b"}, "l": [{"p": 1}]}),
        ("a={y: 2}", {"a": {"x": 1, "y": 2}, "l": [{"p": 1}]}),
        ("new.deep.key=[1, 2]", {"a": {"x": 1}, "l": [{"p": 1}], "new": {"deep": {"key": [1, 2]}}}),
        ("l.0.p=5", {"a": {"x": 1}, "l": [{"p": 5}]}),
        ("l.0={q: 1}", {"a": {"x": 1}, "l": [{"q": 1}]}),
        ("l=[]", {"a": {"x": 1}, "l": []}),
    ],
)
def test_override_sets_one_value(override: str, value: Any) -> None:
    assert overridden("{a: {x: 1}, l: [{p: 1}]}", override) == value


def test_override_reaches_into_a_section_left_empty() -> None:
    assert overridden("data:\n", "data.shards=here") == {"data": {"shards": "here"}}


def test_override_knows_where_it_came_from() -> None:
    root = apply_override(parse_yaml("a: {x: 1}", "f"), "a.y=[{z: 3}]")
    for path in (["a", "y"], ["a", "y", 0], ["a", "y", 0, "z"]):
        assert str(root.at(path).mark) == "override 'a.y=[{z: 3}]'"
    assert str(root.at(["a", "x"]).mark) == "f:1:8"


def test_override_changes_no_tree_in_place() -> None:
    root = parse_yaml("{a: {x: 1}, l: [{p: 1}]}", "f")
    apply_override(apply_override(root, "a.x=2"), "l.0.p=2")
    assert root.plain() == {"a": {"x": 1}, "l": [{"p": 1}]}


def test_override_of_a_type_drops_the_options_of_the_old_one() -> None:
    assert overridden("b: {type: one, width: 3}", "b.type=two") == {"b": {"type": "two"}}
    assert overridden("b: {type: one, width: 3}", "b.type=one") == {
        "b": {"type": "one", "width": 3}
    }
    assert overridden("l: [{type: one, p: 1}]", "l.0.type=two") == {"l": [{"type": "two"}]}


@pytest.mark.parametrize("order", [["b.width=5", "b.type=two"], ["b.type=two", "b.width=5"]])
def test_option_beside_an_overridden_type_counts_in_any_order(
    write: Write, order: list[str]
) -> None:
    path = write("top.yaml", "b: {type: one, width: 3, depth: 1}")
    assert load_layers(path, order).plain() == {"b": {"type": "two", "width": 5}}


def test_later_override_of_the_same_key_wins(write: Write) -> None:
    path = write("top.yaml", "")
    assert load_layers(path, ["a=1", "a=2"]).plain() == {"a": 2}
    assert load_layers(path, ["b.type=x", "b.type=y"]).plain() == {"b": {"type": "y"}}


@pytest.mark.parametrize("override", ["a", "=1", "a..b=1", "a b=1", ".a=1", "a.=1"])
def test_override_of_another_form_is_refused(override: str) -> None:
    with pytest.raises(ConfigError, match=r"cannot be applied; expected key\.path=value"):
        overridden("", override)


@pytest.mark.parametrize("override", ["a.x.y=1", "l.5.p=1", "l.p=1"])
def test_override_through_what_has_no_keys_is_refused(override: str) -> None:
    with pytest.raises(ConfigError, match=r"there is no '\w+' to set; see f:1:"):
        overridden("{a: {x: 1}, l: [{p: 1}]}", override)


def test_override_with_a_broken_value_names_the_override() -> None:
    with pytest.raises(ConfigError, match=r"override 'a=\[1'"):
        overridden("", "a=[1")
