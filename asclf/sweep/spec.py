"""A sweep as a file: rows of settings, folds and seeds, laid over one experiment.

title: Which attention works on which branch
config: ../esc10_tiny.yaml
rows:
  global / local: {}
  local / global: {backbone.global_attention: local, backbone.local_attention: global}
grid: {backbone.mask.ratio: [0.3, 0.5]}
folds: [1, 2, 3, 4]
seeds: [0, 1]
"""

from __future__ import annotations

import itertools
import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import Field, NonNegativeInt

from asclf.config.bind import Binder
from asclf.config.component import component_config
from asclf.config.experiment import load_experiment
from asclf.config.merge import load_layers
from asclf.config.yaml import Mark, Node
from asclf.errors import ConfigError
from asclf.score.kept_sweeps import Published

Settings = Mapping[str, Any]
"""Values by their `key.path`, as on the command line."""

KEYS = (
    "title",
    "column",
    "config",
    "set",
    "rows",
    "grid",
    "made_by",
    "folds",
    "seeds",
    "baseline",
    "published",
)


@component_config
class _Options:
    """The keys of a sweep's file."""

    title: str = ""
    """Heading of the table."""
    column: str = ""
    """What the sweep is about among others of one table: the dataset."""
    config: str | None = None
    """The experiment, seen from the sweep's file."""
    set: dict[str, Any] = Field(default_factory=dict)
    """Settings of every row."""
    rows: dict[str, dict[str, Any]] = Field(default_factory=dict)
    """Settings by the name of the row."""
    grid: dict[str, list[Any]] = Field(default_factory=dict)
    """Values by key: each combination is a row of its own, after `rows`."""
    made_by: dict[str, str] = Field(default_factory=dict)
    """The command that makes the weights which a row starts from, by the name of the row."""
    folds: tuple[NonNegativeInt, ...] | None = None
    """Folds to leave out in turn; `null` takes all that the shards hold."""
    seeds: tuple[NonNegativeInt, ...] = (0,)
    """Each row is trained once with each."""
    baseline: str | None = None
    """The row that the others are tested against; `null` takes the first."""
    published: Published = Published()
    """Figures to print beside ours."""


@dataclass(frozen=True)
class Row:
    """One setting of a sweep.

    Attributes:
        name: What the table calls it.
        settings: Laid over the experiment.
        made_by: The command that makes the weights which it starts from, where it names any.
    """

    name: str
    settings: Settings
    made_by: str = ""

    @property
    def slug(self) -> str:
        """The name as a folder's."""
        return re.sub(r"[^\w.=-]+", "_", self.name).strip("_") or "row"

    @property
    def overrides(self) -> list[str]:
        """The settings as `key.path=value`."""
        return [f"{key}={json.dumps(value)}" for key, value in self.settings.items()]


@dataclass(frozen=True)
class Sweep:
    """A sweep, read and checked.

    Attributes:
        name: Of its file, without suffix.
        title: Heading of its table.
        column: What it is about among others of one table: the dataset.
        config: The experiment's file.
        rows: In their order; the baseline is one of them.
        folds: Folds to leave out in turn; `None` for all.
        seeds: Seeds of each row.
        baseline: Name of the row that the others are tested against.
        published: Figures to print beside ours.
    """

    name: str
    title: str
    column: str
    config: Path
    rows: tuple[Row, ...]
    folds: tuple[int, ...] | None
    seeds: tuple[int, ...]
    baseline: str
    published: Published


def load_sweep(path: Path, overrides: Sequence[str] = ()) -> Sweep:
    """Reads a sweep, and binds the experiment of every row once, so that none fails hours later.

    Args:
        path: The sweep's file.
        overrides: `key.path=value` for every row, under its own settings.

    Raises:
        ConfigError: It cannot be read or used, or a row's experiment cannot.
    """
    root = load_layers(path)
    binder = Binder(root)
    binder.keys(KEYS)
    options = binder.subset(KEYS, _Options)
    binder.finish()
    if options.config is None:
        raise ConfigError("`config` is not set", where=path, expected="the experiment's file")
    rows = tuple(_rows(options))
    _check_rows(rows, options, root)
    _check_seeds(path, [*overrides, *(setting for row in rows for setting in row.overrides)])
    config = Path(os.path.normpath(path.parent / options.config))
    for row in rows:
        load_experiment(config, [*overrides, *row.overrides])
    return Sweep(
        name=path.stem,
        title=options.title or path.stem,
        column=options.column,
        config=config,
        rows=rows,
        folds=options.folds,
        seeds=tuple(dict.fromkeys(options.seeds)),
        baseline=options.baseline or rows[0].name,
        published=options.published,
    )


def _rows(options: _Options) -> Iterator[Row]:
    for name, settings in options.rows.items():
        yield Row(name, {**options.set, **settings}, options.made_by.get(name, ""))
    if options.grid:
        for values in itertools.product(*options.grid.values()):
            settings = dict(zip(options.grid, values, strict=True))
            yield Row(_grid_name(settings), {**options.set, **settings})


def _grid_name(settings: Settings) -> str:
    """The last part of each key with its value: `ratio=0.5, block=[10, 10]`."""
    return ", ".join(f"{key.rpartition('.')[2]}={_short(v)}" for key, v in settings.items())


def _short(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _check_rows(rows: tuple[Row, ...], options: _Options, root: Node) -> None:
    names = [row.name for row in rows]
    if not rows:
        raise ConfigError("a sweep without rows", where=root.mark, expected="`rows` or `grid`")
    slugs = [row.slug for row in rows]
    twice = next(
        (name for name, slug in zip(names, slugs, strict=True) if slugs.count(slug) > 1), None
    )
    if twice is not None:
        raise ConfigError(f"two rows are called {twice!r}", where=_mark(root, "rows"))
    _check_names([options.baseline] if options.baseline else [], names, root, "baseline")
    _check_names(options.made_by, names, root, "made_by")


def _check_names(wanted: Iterable[str], names: Sequence[str], root: Node, key: str) -> None:
    for name in wanted:
        if name not in names:
            raise ConfigError(
                f"there is no row {name!r}",
                where=_mark(root, key),
                expected=f"one of {', '.join(map(repr, names))}",
            )


def _check_seeds(path: Path, settings: Sequence[str]) -> None:
    """Makes sure that no setting undoes `seeds`: equal runs would count as several."""
    if any(setting.startswith("seed=") for setting in settings):
        raise ConfigError(
            "`seed` is set for a row", where=path, expected="`seeds`, which every row is run with"
        )


def _mark(root: Node, key: str) -> Mark:
    return root.at([key]).mark
