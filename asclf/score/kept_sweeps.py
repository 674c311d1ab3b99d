"""What a recipe keeps of its sweeps: one JSON file each, with the figures of every row."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from statistics import stdev
from typing import Any

from pydantic import Field
from pydantic.dataclasses import dataclass

from asclf.config.component import STRICT, component_config
from asclf.score.intervals import Interval
from asclf.score.protocol import warning_of
from asclf.score.result import read_stored

KEPT = Path("results/sweeps")


@component_config
class Published:
    """What a paper reports."""

    source: str = ""
    """Where: the paper and its table."""
    column: str = ""
    """On what: the dataset, where it is another than ours."""
    accuracy: dict[str, float] = Field(default_factory=dict)
    """Percent, by the name of the row; a row that we do not have is printed as well."""


@dataclass(frozen=True, kw_only=True, config=STRICT)
class Versus:
    """How a row differs from the baseline, on the same clips and with the same seeds.

    Attributes:
        difference: Of the accuracies, the baseline's taken off.
        interval_95: By the paired cluster bootstrap over recordings, seeds averaged.
        p: Of McNemar's exact test; only of a single seed, since a clip counts once in it.
        p_adjusted: The same, allowing for the number of rows (Holm).
    """

    difference: float
    interval_95: Interval
    p: float | None
    p_adjusted: float | None


@dataclass(frozen=True, kw_only=True, config=STRICT)
class RowResult:
    """One row, all its seeds and folds together.

    Attributes:
        name: What the sweep calls it.
        settings: What it lays over the experiment.
        correct: Over all seeds.
        clips: Over all seeds; each clip counts once for each.
        interval_95: Of the accuracy: Wilson's for one seed, else the cluster bootstrap's.
        seeds: The accuracy by seed.
        folds: Folds that were scored.
        minutes: Of training, everything together.
        dataset: Name of the shards.
        model: Name of the backbone.
        init: What training started from and learnt from; `None` for random weights.
        init_sha256: Of the checkpoint's file that it started from.
        config_sha256: Of the first seed's configuration.
        setting_sha256: Of the same with seed 0, which all seeds share.
        commit: Of the code that trained.
        machine: That it was trained on, in words.
        versus: The baseline; nothing for the baseline itself.
    """

    name: str
    settings: dict[str, Any]
    correct: int
    clips: int
    interval_95: Interval
    seeds: dict[int, float]
    folds: tuple[int, ...]
    minutes: float
    dataset: str = ""
    model: str = ""
    init: str | None = None
    init_sha256: str | None = None
    config_sha256: str
    setting_sha256: str = ""
    commit: str | None
    machine: str
    versus: Versus | None = None

    @property
    def accuracy(self) -> float:
        """Over all seeds."""
        return self.correct / self.clips

    @property
    def setting(self) -> str:
        """The hash of the configuration whatever the seed; an older result's own."""
        return self.setting_sha256 or self.config_sha256

    @property
    def spread(self) -> float | None:
        """Sample standard deviation over seeds."""
        return stdev(self.seeds.values()) if len(self.seeds) > 1 else None


@dataclass(frozen=True, kw_only=True, config=STRICT)
class SweepResult:
    """A sweep's rows that were run, with what it was.

    Attributes:
        name: Of its file.
        title: Heading of its table.
        column: What it is about among others of one table.
        protocol: How folds were used.
        baseline: Name of the row that the others are tested against.
        planned: Names of all rows, run or not.
        rows: Those that were run.
        published: Figures to print beside ours.
    """

    name: str
    title: str
    column: str
    protocol: str
    baseline: str
    planned: tuple[str, ...]
    rows: tuple[RowResult, ...]
    published: Published

    @property
    def warning(self) -> str:
        """Why its figures are too high; nothing where no row was chosen on what is scored."""
        return warning_of(self.protocol)

    def as_dict(self) -> Mapping[str, Any]:
        """The result as plain values."""
        return asdict(self)

    @classmethod
    def read(cls, path: Path) -> SweepResult:
        """Reads one that was stored as JSON.

        Raises:
            DataError: No such file, or it is no result of a sweep.
        """
        return read_stored(cls, path, "result of a sweep")


def read_sweeps(recipe: Path) -> list[SweepResult]:
    """What is kept of a recipe's sweeps, by name.

    Raises:
        DataError: One of them is broken.
    """
    return [SweepResult.read(path) for path in sorted((recipe / KEPT).glob("*.json"))]
