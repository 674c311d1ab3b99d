"""The result of one try: what a report begins with, and all that a recipe's ledger keeps of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeVar

import pydantic
from pydantic.dataclasses import dataclass

from asclf.config.component import STRICT
from asclf.errors import DataError
from asclf.score.provenance import Machine

R = TypeVar("R", bound="Result")


@dataclass(frozen=True, kw_only=True, config=STRICT)
class FoldScore:
    """One fold: scored by the model that was trained on all the others."""

    fold: int | None
    """`null`: no fold but the dataset's own split `test`."""
    correct: int
    clips: int
    accuracy: float
    minutes: float
    """Of training."""
    epochs: int
    steps: int
    clips_skipped: int
    """Training clips that could not be read."""

    @property
    def title(self) -> str:
        """The fold's number, or the split's name."""
        return "test" if self.fold is None else str(self.fold)


@dataclass(frozen=True, kw_only=True, config=STRICT)
class Result:
    """A score and everything needed to judge and repeat it."""

    name: str
    """Name of the experiment's folder."""
    date: str
    """Day of scoring, in UTC, as `2024-12-31`."""
    protocol: str
    """`official`: the dataset's own folds or split, scored by models that never saw them."""
    weights: str
    """How the scored weights were chosen; never by looking at the test fold."""
    correct: int
    clips: int
    accuracy: float
    interval_95: tuple[float, float]
    """Wilson's 95 % interval of the accuracy over all clips pooled."""
    fold_mean: float
    fold_std: float | None
    """Sample standard deviation over the folds; `null` for a single one."""
    macro_f1: float
    folds: tuple[FoldScore, ...]
    folds_known: tuple[int, ...]
    """All folds of the dataset; none where it has a split."""
    missing: str = ""
    """What else of the dataset was not there, in words; never heard, and never scored."""
    clips_skipped: int
    """Test clips that could not be read when sharding, and so are not among `clips`."""
    partial: bool
    """Whether folds or clips of the dataset are missing from this score."""
    seed: int
    config_sha256: str
    """Of the resolved configuration without the shards' folder and the test fold."""
    weights_sha256: str
    """Of the scored weight files: two tries are the same try where it is equal."""
    command: str
    commit: str | None
    machine: Machine
    minutes: float
    """Of training, all folds together."""
    versions: dict[str, str]

    @property
    def line(self) -> str:
        """The score in one line, for a person."""
        low, high = self.interval_95
        counts = f"{self.correct} of {self.clips} clips"
        interval = f"95 % interval {100 * low:.1f} to {100 * high:.1f} %"
        return f"{percent(self.accuracy)} ({counts}; {interval}; {self.scope})"

    @property
    def scope(self) -> str:
        """Which folds were scored, and what is missing."""
        scored = sorted({score.fold for score in self.folds if score.fold is not None})
        text = f"{_folds(scored)} of {_span(self.folds_known)}" if scored else "split test"
        if self.clips_skipped:
            text += f", {self.clips_skipped} clips skipped"
        return f"{text}, partial" if self.partial else text

    @property
    def spread(self) -> str:
        """Mean and standard deviation over the folds."""
        std = "" if self.fold_std is None else f" ± {100 * self.fold_std:.2f}"
        return f"{100 * self.fold_mean:.2f}{std} %"

    def as_dict(self) -> dict[str, Any]:
        """The result as plain values."""
        return asdict(self)

    @classmethod
    def read(cls: type[R], path: Path) -> R:
        """Reads one that was stored as JSON.

        Raises:
            DataError: No such file, or it is no result.
        """
        try:
            return pydantic.TypeAdapter(cls).validate_json(path.read_bytes())
        except OSError as error:
            raise DataError(f"cannot be read: {error.strerror}", where=path) from error
        except pydantic.ValidationError as error:
            first = error.errors()[0]
            raise DataError(
                f"no stored result: {'.'.join(map(str, first['loc']))}: {first['msg']}", where=path
            ) from error


def percent(share: float) -> str:
    """A share as `83.75 %`: a clip of ESC-50 is 0.05 %."""
    return f"{100 * share:.2f} %"


def _folds(folds: Sequence[int]) -> str:
    return f"{'fold' if len(folds) == 1 else 'folds'} {_span(folds)}"


def _span(folds: Sequence[int]) -> str:
    whole = list(range(folds[0], folds[-1] + 1))
    if len(folds) > 2 and list(folds) == whole:
        return f"{folds[0]}–{folds[-1]}"
    return ", ".join(map(str, folds))
