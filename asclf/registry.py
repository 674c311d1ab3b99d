"""Registries of components: one flat registry per kind, filled by a decorator.

Built-in components register when their kind is first asked for (the modules of `asclf.backbones`,
and so on, are imported then). A third-party component is found through the entry-point group of the
same name, and only its own module is imported, only when its name is asked for: a broken plugin
breaks its own users and nobody else.

    @BACKBONES.register("my_net", MyNetConfig)
    @BACKBONES.register("my_net_small", MyNetConfig, channels=(16, 32))  # a variant is data
    class MyNet(nn.Module):
        def __init__(self, config: MyNetConfig, *, feat_dim: int) -> None: ...
"""

from __future__ import annotations

import difflib
import importlib
import inspect
import pkgutil
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from importlib.metadata import EntryPoint, entry_points
from typing import Any, TypeVar

from asclf.errors import AsclfError, RegistryError, UnknownComponentError

F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True)
class Entry:
    """One registered name: what builds it, the type of its configuration, its own defaults."""

    kind: str
    name: str
    factory: Callable[..., Any]
    config_type: type
    defaults: Mapping[str, Any] = field(default_factory=dict)

    @property
    def origin(self) -> str:
        """The file and line of the factory, as `file.py:12`."""
        try:
            path = inspect.getsourcefile(self.factory)
            return f"{path}:{inspect.getsourcelines(self.factory)[1]}"
        except (OSError, TypeError):  # made in an interpreter, or not written in Python
            return self.factory.__module__

    def configure(self, **options: Any) -> Any:
        """Makes this entry's configuration: the type's defaults, then the variant's, then these."""
        return self.config_type(**{**self.defaults, **options})

    def build(self, config: Any = None, **context: Any) -> Any:
        """Builds the component; `context` is what YAML cannot know (`feat_dim`, …)."""
        return self.factory(self.configure() if config is None else config, **context)


class Registry:
    """The components of one kind by name.

    Args:
        kind: The kind in the singular, as it stands in messages and in YAML.
        home: Package (or module) with the built-in components; also the entry-point group.
    """

    def __init__(self, kind: str, home: str) -> None:
        self.kind = kind
        self.home = home
        self._entries: dict[str, Entry] = {}
        self._builtins_loaded = False

    @property
    def plural(self) -> str:
        """The kind in the plural, as `losses`."""
        return self.home.rpartition(".")[2]

    def register(self, name: str, config_type: type, **defaults: Any) -> Callable[[F], F]:
        """Returns the decorator that registers a class or function as `name`.

        Args:
            name: The word that YAML uses.
            config_type: The typed configuration (see `asclf.config.component_config`).
            **defaults: Configuration values in which this name differs from `config_type`'s own.

        Raises:
            RegistryError: `name` is taken already; both files are named.
        """

        def add(factory: F) -> F:
            entry = Entry(self.kind, name, factory, config_type, defaults)
            taken = self._entries.get(name)
            if taken is not None:
                raise RegistryError(
                    f"{self.kind} {name!r} is registered twice",
                    where=entry.origin,
                    hint=f"the first is at {taken.origin}; rename one of them",
                )
            self._entries[name] = entry
            return factory

        return add

    def names(self) -> tuple[str, ...]:
        """All names, sorted: the built-in ones and those of installed plugins (not imported)."""
        self._load_builtins()
        return tuple(sorted({*self._entries, *(point.name for point in self._plugins())}))

    def get(self, name: str, *, where: object = None) -> Entry:
        """Returns the entry of `name`, importing a plugin where that is needed.

        Raises:
            UnknownComponentError: No such name; says the nearest, or whose kind it is.
            RegistryError: The plugin that announces the name cannot be imported.
        """
        self._load_builtins()
        if name not in self._entries:
            self._load_plugin(name)
        if name not in self._entries:
            raise self._unknown(name, where)
        return self._entries[name]

    def variants(self, entry: Entry) -> tuple[Entry, ...]:
        """The names that build the same class as `entry`; of plugins only those imported by now."""
        return tuple(each for each in self._entries.values() if each.factory is entry.factory)

    def _load_builtins(self) -> None:
        if self._builtins_loaded:
            return
        self._builtins_loaded = True  # first, since these modules may ask for names themselves
        try:
            home = importlib.import_module(self.home)
            for module in pkgutil.iter_modules(getattr(home, "__path__", ())):
                if not module.name.startswith("_"):
                    importlib.import_module(f"{self.home}.{module.name}")
        except BaseException:
            self._builtins_loaded = False  # half a kind must not pass for the whole
            raise

    def _plugins(self) -> Iterable[EntryPoint]:
        return entry_points(group=self.home)

    def _load_plugin(self, name: str) -> None:
        for point in self._plugins():
            if point.name != name:
                continue
            where = f"plugin {point.value}"
            try:
                point.load()
            except AsclfError:
                raise
            except Exception as error:  # whatever a plugin's import raises is its user's problem
                raise RegistryError(
                    f"{self.kind} {name!r} cannot be imported: {type(error).__name__}: {error}",
                    where=where,
                    hint="mend or uninstall that package",
                ) from error
            if name not in self._entries:
                raise RegistryError(
                    f"its entry point announces {self.kind} {name!r}, but registers no such name",
                    where=where,
                    hint=f"decorate the class with @{self.plural.upper()}.register({name!r}, …)",
                )

    def _unknown(self, name: str, where: object) -> UnknownComponentError:
        matches = difflib.get_close_matches(name, self.names(), n=1)
        known = ", ".join(self.names())
        hints = [f"did you mean {matches[0]!r}?" if matches else f"known {self.plural}: {known}"]
        hints += [
            f"{near!r} is {article(other.kind)}"
            for other in REGISTRIES.values()
            if other is not self
            for near in difflib.get_close_matches(name, other.names(), n=1, cutoff=0.9)
        ]
        return UnknownComponentError(
            f"unknown {self.kind} {name!r}", where=where, hint="; ".join(hints), matches=matches
        )


def article(noun: str) -> str:
    """Puts `a` or `an` before a noun."""
    return f"{'an' if noun[0] in 'aeiou' else 'a'} {noun}"


FRONTENDS = Registry("frontend", "asclf.frontends")
AUGMENTERS = Registry("augmenter", "asclf.augmenters")
BACKBONES = Registry("backbone", "asclf.backbones")
HEADS = Registry("head", "asclf.heads")
LOSSES = Registry("loss", "asclf.losses")
OPTIMIZERS = Registry("optimizer", "asclf.train.optimizers")
SCHEDULERS = Registry("scheduler", "asclf.train.schedulers")
OBJECTIVES = Registry("objective", "asclf.train.objectives")

REGISTRIES: Mapping[str, Registry] = {
    "frontends": FRONTENDS,
    "augmenters": AUGMENTERS,
    "backbones": BACKBONES,
    "heads": HEADS,
    "losses": LOSSES,
    "optimizers": OPTIMIZERS,
    "schedulers": SCHEDULERS,
    "objectives": OBJECTIVES,
}
