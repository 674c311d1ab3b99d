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
from asclf.score.intervals import Interval
from asclf.score.protocol import ProtocolName, warning_of
from asclf.score.provenance import Machine

R = TypeVar("R", bound="Result")
T = TypeVar("T")


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
    mean_average_precision: float | None = None
    """Where labels may be heard together."""

    @property
    def share(self) -> float:
        """The accuracy, or the mean average precision where labels may be heard together."""
        precision = self.mean_average_precision
        return self.accuracy if precision is None else precision

    @property
    def title(self) -> str:
        """The fold's number, or the split's name."""
        return "test" if self.fold is None else str(self.fold)


@dataclass(frozen=True, kw_only=True, config=STRICT)
class MultiLabelScore:
    """What is told of labels that may be heard together; F1 and accuracy are at a score of 0.5."""

    mean_average_precision: float
    """Mean over the classes that have a clip, of all clips pooled."""
    interval_by_source_95: Interval
    """Its interval by the cluster bootstrap."""
    micro_f1: float


@dataclass(frozen=True, kw_only=True, config=STRICT)
class Result:
    """A score and everything needed to judge and repeat it."""

    name: str
    """Name of the experiment's folder."""
    comparison: str = ""
    """The comparison of protocols (`asclf protocols`) that it is one figure of, by its folder."""
    date: str
    """Day of scoring, in UTC, as `2024-12-31`."""
    time: str = ""
    """Time of that day, as `23:59:59`."""
    dataset: str = ""
    """Name of the folder of shards, without their sample rate."""
    model: str = ""
    """Name of the backbone."""
    parameters: int = 0
    """Of the whole network; 0 where it was not counted."""
    init: str | None = None
    """The checkpoint that training started from, the teacher that it learnt from, by their names;
    `null` where every weight was drawn and the labels alone were learnt."""
    init_sha256: str | None = None
    """Of the checkpoint's file: it tells two starts of one name apart. `null` where there is none,
    and in results older than this field."""
    protocol: ProtocolName
    """`official`: the dataset's own folds or split, scored by models that never saw them; `nested`:
    as well, with one of the other folds to choose by. The others give figures that are too high."""
    weights: str
    """How the scored weights were chosen."""
    views: int = 1
    """Views of each clip whose logits were averaged; 1 is no test-time augmentation."""
    correct: int
    """Clips whose labels were all given, and no other."""
    clips: int
    accuracy: float
    interval_95: Interval
    """Wilson's 95 % interval of the accuracy over all clips pooled."""
    interval_by_source_95: Interval | None = None
    """Its 95 % interval by the cluster bootstrap; `null` where no clip's source is known."""
    sources: int | None = None
    """Recordings that the clips were cut from; a clip of no known source counts as one."""
    top_5: float | None = None
    """Share of clips whose class is among the five best; `null` for five classes or fewer."""
    multi_label: MultiLabelScore | None = None
    """`null` where labels exclude one another."""
    fold_mean: float
    """Of the accuracy, or of the mean average precision where there is one."""
    fold_std: float | None
    """Sample standard deviation over the folds; `null` for a single one."""
    macro_f1: float
    ece: float | None = None
    """Expected calibration error of the scores."""
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
    setting_sha256: str = ""
    """Of the same with seed 0, which tries of several seeds share; nothing in older results."""
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
        """The score in one line, for a person, with what speaks against it."""
        parts = [*self._figures(), self.scope]
        parts += [f"{self.views} views of each clip averaged"] if self.views > 1 else []
        parts += [warning] if (warning := self.warning) else []
        return f"{self.headline} ({'; '.join(parts)})"

    @property
    def headline(self) -> str:
        """The figure that stands for all: accuracy, or mean average precision."""
        return f"mAP {percent(self.share)}" if self.multi_label else percent(self.share)

    @property
    def share(self) -> float:
        """That figure as a number."""
        found = self.multi_label
        return found.mean_average_precision if found else self.accuracy

    @property
    def interval(self) -> Interval:
        """Its 95 % interval: by the cluster bootstrap where sources are known, else Wilson's."""
        if found := self.multi_label:
            return found.interval_by_source_95
        return self.interval_by_source_95 or self.interval_95

    @property
    def start(self) -> str:
        """What training started from; weights of one name and other bytes are told apart."""
        return start_text(self.init, self.init_sha256)

    @property
    def setting(self) -> str:
        """The hash of the configuration whatever the seed; an older result's own."""
        return self.setting_sha256 or self.config_sha256

    @property
    def counted(self) -> str:
        """How many clips were right."""
        return f"{self.correct} of {self.clips} clips"

    def _figures(self) -> list[str]:
        if self.multi_label:
            interval = f"95 % interval by source {span_of(self.interval)}"
            return [interval, f"all labels right in {self.counted}"]
        by_source = self.interval_by_source_95
        interval = f"95 % interval {span_of(self.interval_95)}"
        interval += f", by source {span_of(by_source)}" if by_source else ""
        return [self.counted, interval]

    @property
    def warning(self) -> str:
        """Why this figure is too high; nothing where nothing was chosen on what is scored."""
        return warning_of(self.protocol)

    @property
    def scope(self) -> str:
        """Which folds were scored, and what is missing."""
        scored = sorted({score.fold for score in self.folds if score.fold is not None})
        text = f"{_folds(scored)} of {fold_span(self.folds_known)}" if scored else "split test"
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
        return read_stored(cls, path, "stored result")


def start_text(init: str | None, init_sha256: str | None) -> str:
    """What training started from, for a table."""
    if init is None:
        return "random weights"
    return f"{init} ({init_sha256[:8]})" if init_sha256 else init


def percent(share: float) -> str:
    """A share as `83.75 %`: a clip of ESC-50 is 0.05 %."""
    return f"{100 * share:.2f} %"


def span_of(interval: Interval) -> str:
    """An interval of shares as `74.2 to 90.3 %`."""
    low, high = interval
    return f"{100 * low:.1f} to {100 * high:.1f} %"


def _folds(folds: Sequence[int]) -> str:
    return f"{'single fold' if len(folds) == 1 else 'folds'} {fold_span(folds)}"


def fold_span(folds: Sequence[int]) -> str:
    """Fold numbers in their order, as `1–4` or `1, 3`."""
    whole = list(range(folds[0], folds[-1] + 1))
    if len(folds) > 2 and list(folds) == whole:
        return f"{folds[0]}–{folds[-1]}"
    return ", ".join(map(str, folds))


def read_stored(kind: type[T], path: Path, what: str) -> T:
    """Reads a dataclass that was stored as JSON.

    Args:
        kind: A dataclass of pydantic's.
        path: The file.
        what: What it should be, for the message.

    Raises:
        DataError: No such file, or it is something else.
    """
    try:
        return pydantic.TypeAdapter(kind).validate_json(path.read_bytes())
    except OSError as error:
        raise DataError(f"cannot be read: {error.strerror}", where=path) from error
    except pydantic.ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise DataError(f"no {what}: {place}: {first['msg']}", where=path) from error
