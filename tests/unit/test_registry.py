from __future__ import annotations

import importlib
import inspect
import sys
from collections.abc import Callable, Iterator
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import TypeAlias

import pytest

from asclf import registry as registry_module
from asclf.config import component_config
from asclf.errors import RegistryError, UnknownComponentError
from asclf.registry import REGISTRIES, Registry, article

NewPackage: TypeAlias = Callable[[str, dict[str, str]], None]
Announce: TypeAlias = Callable[..., None]


@component_config
class WidgetConfig:
    """What a widget can be told."""

    width: int = 3
    """How wide it is."""


class Widget:
    """Keeps what it was built from."""

    def __init__(self, config: WidgetConfig, *, feat_dim: int = 0) -> None:
        self.config = config
        self.feat_dim = feat_dim


@pytest.fixture
def new_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[NewPackage]:
    """Writes importable packages, and forgets them afterwards."""
    written: list[str] = []
    monkeypatch.syspath_prepend(tmp_path)

    def write(name: str, files: dict[str, str]) -> None:
        written.append(name)
        (tmp_path / name).mkdir()
        for file, text in {"__init__.py": "", **files}.items():
            (tmp_path / name / file).write_text(text, encoding="utf-8")

    yield write
    for module in [name for name in sys.modules if name.partition(".")[0] in written]:
        del sys.modules[module]


@pytest.fixture
def widgets(new_package: NewPackage, monkeypatch: pytest.MonkeyPatch) -> Registry:
    """The only kind of component there is."""
    new_package("widgets", {})
    only = Registry("widget", "widgets")
    monkeypatch.setattr(registry_module, "REGISTRIES", {"widgets": only})
    return only


@pytest.fixture
def announce(monkeypatch: pytest.MonkeyPatch) -> Announce:
    """Pretends that packages with these entry points (name, module) are installed."""

    def pretend(group: str, *points: tuple[str, str]) -> None:
        found = [EntryPoint(name, value, group) for name, value in points]
        monkeypatch.setattr(
            registry_module, "entry_points", lambda group: [p for p in found if p.group == group]
        )

    return pretend


PLUGIN = """
from asclf.config import component_config

from gadgets import GADGETS

@component_config
class Config:
    '''Nothing to choose.'''

@GADGETS.register("{name}", Config)
class Plugged:
    '''Comes from elsewhere.'''
    def __init__(self, config): ...
"""


@pytest.fixture
def plugged(new_package: NewPackage) -> Registry:
    """A registry that plugin modules can import, as `gadgets.GADGETS`."""
    home = "from asclf.registry import Registry\nGADGETS = Registry('gadget', __name__)"
    new_package("gadgets", {"__init__.py": home})
    registry: Registry = importlib.import_module("gadgets").GADGETS
    return registry


def test_registered_class_is_built_with_its_config_and_context(widgets: Registry) -> None:
    widgets.register("plain", WidgetConfig)(Widget)
    built = widgets.get("plain").build(feat_dim=80)
    assert isinstance(built, Widget)
    assert (built.config.width, built.feat_dim) == (3, 80)


def test_variant_is_the_same_class_with_other_defaults(widgets: Registry) -> None:
    widgets.register("plain", WidgetConfig)(Widget)
    widgets.register("wide", WidgetConfig, width=9)(Widget)
    assert widgets.get("wide").build().config.width == 9
    assert widgets.get("wide").configure(width=4).width == 4
    assert widgets.names() == ("plain", "wide")


def test_variants_are_the_names_of_one_class(widgets: Registry) -> None:
    widgets.register("plain", WidgetConfig)(Widget)
    widgets.register("wide", WidgetConfig, width=9)(Widget)
    widgets.register("article", WidgetConfig)(article)
    found = widgets.variants(widgets.get("wide"))
    assert [entry.name for entry in found] == ["plain", "wide"]


def test_decorator_returns_the_class_itself(widgets: Registry) -> None:
    assert widgets.register("plain", WidgetConfig)(Widget) is Widget


def test_name_registered_twice_names_both_places(widgets: Registry) -> None:
    widgets.register("plain", WidgetConfig)(Widget)
    with pytest.raises(RegistryError, match="widget 'plain' is registered twice") as caught:
        widgets.register("plain", WidgetConfig)(WidgetConfig)
    places = [f"{__file__}:{line}" for line in (_line_of(Widget), _line_of(WidgetConfig))]
    assert caught.value.hint.startswith(f"the first is at {places[0]}")
    assert caught.value.where == places[1]


def test_origin_of_a_function_is_its_line(widgets: Registry) -> None:
    widgets.register("article", WidgetConfig)(article)
    assert widgets.get("article").origin == f"{registry_module.__file__}:{_line_of(article)}"


def test_origin_of_a_class_without_source_is_its_module(widgets: Registry) -> None:
    widgets.register("made", WidgetConfig)(type("Made", (Widget,), {"__module__": "nowhere"}))
    assert widgets.get("made").origin == "nowhere"


def test_builtins_are_imported_only_when_asked_for(
    new_package: NewPackage,
) -> None:
    new_package("lazy_home", {"part.py": "", "_shared.py": "raise SystemError('private')"})
    lazy = Registry("widget", "lazy_home")
    assert "lazy_home.part" not in sys.modules
    assert lazy.names() == ()
    assert "lazy_home.part" in sys.modules
    assert "lazy_home._shared" not in sys.modules


def test_builtin_that_fails_to_import_fails_every_time(
    new_package: NewPackage,
) -> None:
    new_package("torn_home", {"good.py": "", "torn.py": "import no_such_module_at_all"})
    torn = Registry("widget", "torn_home")
    for _ in range(2):
        with pytest.raises(ModuleNotFoundError, match="no_such_module_at_all"):
            torn.names()


def test_plugin_is_listed_but_not_imported(
    plugged: Registry,
    announce: Announce,
    new_package: NewPackage,
) -> None:
    new_package("far", {"net.py": PLUGIN.format(name="far_net")})
    announce("gadgets", ("far_net", "far.net"))
    assert plugged.names() == ("far_net",)
    assert "far.net" not in sys.modules
    assert plugged.get("far_net").factory.__name__ == "Plugged"


def test_broken_plugin_breaks_only_its_own_users(
    plugged: Registry,
    announce: Announce,
    new_package: NewPackage,
) -> None:
    plugged.register("plain", WidgetConfig)(Widget)
    new_package("torn", {"net.py": "1 / 0"})
    announce("gadgets", ("torn_net", "torn.net"))
    assert plugged.get("plain").build().config.width == 3
    assert plugged.names() == ("plain", "torn_net")
    with pytest.raises(RegistryError, match="ZeroDivisionError: division by zero") as caught:
        plugged.get("torn_net")
    assert caught.value.where == "plugin torn.net"


def test_plugin_that_registers_no_such_name_is_told_so(
    plugged: Registry,
    announce: Announce,
    new_package: NewPackage,
) -> None:
    new_package("far", {"net.py": PLUGIN.format(name="other")})
    announce("gadgets", ("far_net", "far.net"))
    with pytest.raises(RegistryError, match="registers no such name") as caught:
        plugged.get("far_net")
    assert "@GADGETS.register('far_net', …)" in caught.value.hint


def test_two_plugins_of_one_name_are_both_named(
    plugged: Registry,
    announce: Announce,
    new_package: NewPackage,
) -> None:
    for package in ("near", "far"):
        new_package(package, {"net.py": PLUGIN.format(name="net")})
    announce("gadgets", ("net", "near.net"), ("net", "far.net"))
    with pytest.raises(RegistryError, match="'net' is registered twice") as caught:
        plugged.get("net")
    assert Path("far", "net.py").as_posix() in str(caught.value.where)
    assert Path("near", "net.py").as_posix() in caught.value.hint


def test_unknown_name_has_place_and_nearest(widgets: Registry) -> None:
    widgets.register("spectrogram", WidgetConfig)(Widget)
    with pytest.raises(UnknownComponentError) as caught:
        widgets.get("spectogram", where="exp.yaml:12:9")
    assert str(caught.value) == (
        "exp.yaml:12:9: unknown widget 'spectogram'; did you mean 'spectrogram'?"
    )
    assert caught.value.matches == ("spectrogram",)


def test_unknown_name_without_a_near_one_lists_what_there_is(widgets: Registry) -> None:
    widgets.register("plain", WidgetConfig)(Widget)
    widgets.register("wide", WidgetConfig)(Widget)
    with pytest.raises(UnknownComponentError, match="known widgets: plain, wide") as caught:
        widgets.get("zzz")
    assert caught.value.matches == ()


def test_name_of_another_kind_is_said_to_be_one(
    widgets: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = Registry("ornament", "widgets")
    other.register("star", WidgetConfig)(Widget)
    monkeypatch.setattr(registry_module, "REGISTRIES", {"widgets": widgets, "ornaments": other})
    with pytest.raises(UnknownComponentError, match="'star' is an ornament"):
        widgets.get("star")


@pytest.mark.parametrize(("noun", "phrase"), [("head", "a head"), ("augmenter", "an augmenter")])
def test_article_fits_the_noun(noun: str, phrase: str) -> None:
    assert article(noun) == phrase


def test_every_kind_has_built_in_components() -> None:
    assert {kind for kind, registry in REGISTRIES.items() if not registry.names()} == set()


def test_every_kind_is_kept_under_its_plural() -> None:
    assert all(kind == registry.plural for kind, registry in REGISTRIES.items())


def _line_of(thing: object) -> int:
    return inspect.getsourcelines(thing)[1]  # type: ignore[arg-type]
