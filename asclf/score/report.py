"""The report of a score: a result with its detail, computed from the logits of all clips."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass as plain_dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np
from pydantic.dataclasses import dataclass

from asclf.config import ExperimentConfig
from asclf.config.component import STRICT
from asclf.score import metrics, multilabel
from asclf.score.calibration import Calibration, calibration
from asclf.score.intervals import Interval, bootstrap_mean, percentiles, wilson_interval
from asclf.score.protocol import ProtocolName
from asclf.score.provenance import git_commit, this_machine, versions
from asclf.score.result import FoldScore, MultiLabelScore, Result
from asclf.score.runs import Run, config_sha256, setting_sha256, weights_sha256
from asclf.score.scores import Scores


@dataclass(frozen=True, kw_only=True, config=STRICT)
class ClassScore:
    """How many of a class's clips were recognised."""

    label: str
    correct: int
    clips: int
    accuracy: float | None
    """`null` where the class has no clip here."""
    f1: float | None = None
    """`null` where the class has no clip here and was given to none."""
    average_precision: float | None = None
    """`null` where labels exclude one another, or the class has no clip here."""


@dataclass(frozen=True, kw_only=True, config=STRICT)
class Report(Result):
    """A result with its detail."""

    classes: tuple[ClassScore, ...]
    """In the order of the logits."""
    confusion: tuple[tuple[int, ...], ...]
    """Counts: a row for each true class, a column for each predicted one. None where labels may be
    heard together."""
    calibration: Calibration | None = None
    """How far scores are from shares of right answers; `null` in reports of 0.1."""
    skipped: tuple[str, ...]
    """Test clips that could not be read, each with its reason."""


@plain_dataclass(frozen=True, kw_only=True)
class Setting:
    """What a report says that follows from no score.

    Attributes:
        name: What the experiment is called.
        protocol: By which its runs were trained and chosen.
        folds_known: All folds of the dataset, scored or not.
        missing: What else of the dataset is not there, in words.
        command: The command line that repeats this try.
    """

    name: str
    protocol: ProtocolName = "official"
    folds_known: Sequence[int]
    missing: str = ""
    command: str


def build_report(
    setting: Setting,
    scores: Scores,
    runs: Sequence[Run],
    temperatures: Mapping[int, float] | None = None,
) -> Report:
    """Computes every number of a report.

    Args:
        setting: What the report says of the experiment.
        scores: All scored clips, pooled.
        runs: The runs that gave them, one a fold.
        temperatures: Of the run that left each fold out, where they are fitted.
    """
    config = runs[0].checkpoint.config
    correct, clips = int(scores.correct.sum()), len(scores.clip_ids)
    folds = tuple(_fold_score(scores, run) for run in runs)
    mean, std = metrics.mean_and_std([fold.share for fold in folds])
    sources, by_source = _by_source(scores)
    classes, absent = tuple(_class_scores(scores)), {*setting.folds_known} - {r.fold for r in runs}
    measured = calibration(scores, temperatures or {})
    return Report(
        name=setting.name,
        dataset=dataset_of(config),
        model=config.backbone.entry.name,
        parameters=sum(each.numel() for each in runs[0].checkpoint.model.parameters()),
        init=start_of(config),
        init_sha256=runs[0].init_sha256,
        protocol=setting.protocol,
        weights=runs[0].weights,
        views=scores.views,
        correct=correct,
        clips=clips,
        accuracy=correct / clips,
        interval_95=wilson_interval(correct, clips),
        interval_by_source_95=by_source,
        sources=sources,
        top_5=_top_5(scores),
        multi_label=_multi_label(scores) if scores.multi_label else None,
        fold_mean=mean,
        fold_std=std,
        macro_f1=metrics.mean_of_known(_f1(scores)),
        ece=measured.ece,
        folds=folds,
        folds_known=tuple(setting.folds_known),
        missing=setting.missing,
        clips_skipped=len(scores.skipped),
        partial=bool(scores.skipped or setting.missing or absent),
        minutes=sum(fold.minutes for fold in folds),
        command=setting.command,
        **_origin(runs),
        classes=classes,
        confusion=_confusion(scores),
        calibration=measured,
        skipped=scores.skipped,
    )


def dataset_of(config: ExperimentConfig) -> str:
    """The name of the shards' folder without the sample rate; nothing where there is none."""
    shards = config.data.shards
    return Path(shards).name.removesuffix(f"_{config.sample_rate}") if shards else ""


def _origin(runs: Sequence[Run]) -> dict[str, Any]:
    """Where and when the score was made, and by what."""
    config, now = runs[0].checkpoint.config, datetime.now(timezone.utc)
    return {
        "date": now.date().isoformat(),
        "time": now.time().isoformat("seconds"),
        "seed": config.seed,
        "config_sha256": config_sha256(config),
        "setting_sha256": setting_sha256(config),
        "weights_sha256": weights_sha256(runs),
        "commit": _trained_by(runs),
        "machine": this_machine(),
        "versions": versions(),
    }


def start_of(config: ExperimentConfig) -> str | None:
    """The weights that it started from and the teacher that it learnt from, where there are any."""
    teacher = getattr(config.objective.config, "teacher", None)
    named = [_named(config.init.checkpoint), teacher and f"taught by {_named(teacher)}"]
    return ", ".join(filter(None, named)) or None


def _named(path: str | None) -> str | None:
    """A file's name, or the experiment and the run where a run's folder is named.

    What a recipe pre-trains is `EXPERIMENT/pretrain/all`, and would be nameless by its last two.
    """
    if path is None:
        return None
    named = Path(path)
    parts = named.parts[-3:] if named.parent.name == "pretrain" else named.parts[-2:]
    return named.stem if named.suffix else "/".join(parts)


def _trained_by(runs: Sequence[Run]) -> str | None:
    """The commits that made the weights; that of the code that scores, where no run says."""
    commits = {commit for run in runs for commit in run.summary.get("commits", ())}
    return ", ".join(sorted(commits)) or git_commit()


def _fold_score(scores: Scores, run: Run) -> FoldScore:
    here = scores.folds == (run.fold or 0)
    correct, clips = int(scores.correct[here].sum()), int(here.sum())
    precision = multilabel.mean_average_precision(scores.targets[here], scores.logits[here])
    return FoldScore(
        fold=run.fold,
        correct=correct,
        clips=clips,
        accuracy=correct / clips,
        minutes=run.summary["minutes"],
        epochs=run.summary["epochs"],
        steps=run.summary["steps"],
        clips_skipped=run.summary["clips_skipped"],
        mean_average_precision=precision if scores.multi_label else None,
    )


def _by_source(scores: Scores) -> tuple[int | None, Interval | None]:
    """How many sources there are, and the interval of the accuracy that allows for them."""
    if not any(scores.source_ids):
        return None, None
    sources = scores.sources
    return int(sources.max()) + 1, bootstrap_mean(scores.correct.astype(np.float64), sources)


def _top_5(scores: Scores) -> float | None:
    if scores.multi_label or len(scores.labels) <= 5:
        return None
    return metrics.top_k_share(scores.logits, scores.classes, 5)


def _multi_label(scores: Scores) -> MultiLabelScore:
    targets, logits = scores.targets, scores.logits
    drawn = multilabel.drawn_mean_average_precisions(targets, logits, scores.sources)
    return MultiLabelScore(
        mean_average_precision=multilabel.mean_average_precision(targets, logits),
        interval_by_source_95=percentiles(drawn),
        micro_f1=multilabel.micro_f1(targets, scores.decisions),
    )


def _confusion(scores: Scores) -> tuple[tuple[int, ...], ...]:
    if scores.multi_label:
        return ()
    predicted = metrics.predicted_classes(scores.logits)
    counts = metrics.confusion_matrix(scores.classes, predicted, len(scores.labels))
    return tuple(tuple(row) for row in counts.tolist())


def _class_scores(scores: Scores) -> Iterator[ClassScore]:
    hits = (scores.targets & scores.decisions).sum(axis=0)
    clips = scores.targets.sum(axis=0)
    columns = {"accuracy": metrics.ratio(hits, clips), "f1": _f1(scores)}
    if scores.multi_label:
        precisions = multilabel.average_precisions(scores.targets, scores.logits)
        columns["average_precision"] = precisions
    for i, label in enumerate(scores.labels.names):
        shares = {name: _known(values[i]) for name, values in columns.items()}
        yield ClassScore(label=label, correct=int(hits[i]), clips=int(clips[i]), **shares)


def _f1(scores: Scores) -> metrics.FloatArray:
    """Of each class (C,), by the decisions that were made."""
    return multilabel.class_f1(scores.targets, scores.decisions)


def _known(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
