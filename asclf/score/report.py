"""The report of a score: everything as JSON, and the same for a person as Markdown."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Sequence
from datetime import datetime, timezone
from pathlib import Path

import numpy as np
from pydantic.dataclasses import dataclass

from asclf.config.component import STRICT
from asclf.files import write_whole
from asclf.score import metrics
from asclf.score.markdown import code, section, table
from asclf.score.provenance import git_commit, this_machine, versions
from asclf.score.result import FoldScore, Result, percent
from asclf.score.runs import Run, config_sha256, weights_sha256
from asclf.score.scores import Scores

PROTOCOL = "official"


@dataclass(frozen=True, kw_only=True, config=STRICT)
class ClassScore:
    """How many of a class's clips were recognised."""

    label: str
    correct: int
    clips: int
    accuracy: float | None
    """`null` where the class has no clip here."""


@dataclass(frozen=True, kw_only=True, config=STRICT)
class Report(Result):
    """A result with its detail."""

    classes: tuple[ClassScore, ...]
    """In the order of the logits."""
    confusion: tuple[tuple[int, ...], ...]
    """Counts: a row for each true class, a column for each predicted one."""
    skipped: tuple[str, ...]
    """Test clips that could not be read, each with its reason."""


def build_report(
    name: str,
    scores: Scores,
    runs: Sequence[Run],
    folds_known: Collection[int],
    command: str,
    missing: str = "",
) -> Report:
    """Computes every number of a report.

    Args:
        name: What the experiment is called.
        scores: All scored clips, pooled.
        runs: The runs that gave them, one a fold.
        folds_known: All folds of the dataset, scored or not.
        command: The command line that repeats this try.
        missing: What else of the dataset is not there, in words.
    """
    predicted = metrics.predicted_classes(scores.logits)
    confusion = metrics.confusion_matrix(scores.targets, predicted, len(scores.labels))
    folds = tuple(_fold_score(scores, run) for run in runs)
    correct, clips = int(scores.correct.sum()), len(scores.clip_ids)
    mean, std = metrics.mean_and_std([fold.accuracy for fold in folds])
    return Report(
        name=name,
        date=datetime.now(timezone.utc).date().isoformat(),
        protocol=PROTOCOL,
        weights=runs[0].weights,
        correct=correct,
        clips=clips,
        accuracy=correct / clips,
        interval_95=metrics.wilson_interval(correct, clips),
        fold_mean=mean,
        fold_std=std,
        macro_f1=metrics.macro_f1(confusion),
        folds=folds,
        folds_known=tuple(sorted(folds_known)),
        missing=missing,
        clips_skipped=len(scores.skipped),
        partial=bool(scores.skipped or missing or {*folds_known} - {run.fold for run in runs}),
        seed=runs[0].checkpoint.config.seed,
        config_sha256=config_sha256(runs[0].checkpoint.config),
        weights_sha256=weights_sha256(runs),
        command=command,
        commit=_trained_by(runs),
        machine=this_machine(),
        minutes=sum(fold.minutes for fold in folds),
        versions=versions(),
        classes=tuple(_class_scores(confusion, scores.labels.names)),
        confusion=tuple(tuple(row) for row in confusion.tolist()),
        skipped=scores.skipped,
    )


def _trained_by(runs: Sequence[Run]) -> str | None:
    """The commits that made the weights; that of the code that scores, where no run says."""
    commits = {commit for run in runs for commit in run.summary.get("commits", ())}
    return ", ".join(sorted(commits)) or git_commit()


def _fold_score(scores: Scores, run: Run) -> FoldScore:
    here = scores.folds == (run.fold or 0)
    correct, clips = int(scores.correct[here].sum()), int(here.sum())
    return FoldScore(
        fold=run.fold,
        correct=correct,
        clips=clips,
        accuracy=correct / clips,
        minutes=run.summary["minutes"],
        epochs=run.summary["epochs"],
        steps=run.summary["steps"],
        clips_skipped=run.summary["clips_skipped"],
    )


def _class_scores(confusion: metrics.IntArray, labels: Sequence[str]) -> Iterator[ClassScore]:
    accuracies = metrics.class_accuracies(confusion)
    for i, label in enumerate(labels):
        yield ClassScore(
            label=label,
            correct=int(confusion[i, i]),
            clips=int(confusion[i].sum()),
            accuracy=None if np.isnan(accuracies[i]) else float(accuracies[i]),
        )


def write_report(report: Report, folder: Path) -> None:
    """Writes `report.json` and `report.md`."""
    text = json.dumps(report.as_dict(), indent=2, ensure_ascii=False, allow_nan=False)
    write_whole(folder / "report.json", text + "\n")
    write_whole(folder / "report.md", to_markdown(report))


def to_markdown(report: Report) -> str:
    """The report for a person."""
    parts = [
        f"# {report.name}\n\n**{report.line}**\n",
        section("Folds", _folds_text(report)),
        section("Classes", _classes_text(report)),
        section("Most frequent confusions", _confusions_text(report)),
        section("How it was made", _facts_text(report)),
    ]
    if report.skipped:
        clips = "\n".join(f"- {clip}" for clip in report.skipped)
        parts.insert(1, section("Clips that could not be scored", clips))
    return "\n".join(parts)


def _folds_text(report: Report) -> str:
    header = ("fold", "correct", "clips", "accuracy", "training minutes", "epochs", "skipped")
    rows = [
        (f.title, f.correct, f.clips, percent(f.accuracy), f"{f.minutes:.1f}", f.epochs, clips)
        for f, clips in ((fold, fold.clips_skipped) for fold in report.folds)
    ]
    mean = f"Mean over the folds: {report.spread}. Macro F1: {report.macro_f1:.3f}."
    return f"{table(header, rows)}\n\n{mean} `skipped` counts training clips."


def _classes_text(report: Report) -> str:
    worst_first = sorted(report.classes, key=lambda c: 2.0 if c.accuracy is None else c.accuracy)
    rows = [
        (c.label, c.correct, c.clips, "–" if c.accuracy is None else percent(c.accuracy))
        for c in worst_first
    ]
    return table(("class", "correct", "clips", "accuracy"), rows)


def _confusions_text(report: Report, most: int = 10) -> str:
    labels = [score.label for score in report.classes]
    pairs = [
        (count, labels[i], labels[j])
        for i, row in enumerate(report.confusion)
        for j, count in enumerate(row)
        if i != j and count
    ]
    if not pairs:
        return "None."
    pairs.sort(key=lambda pair: -pair[0])
    rows = [(true, predicted, count) for count, true, predicted in pairs[:most]]
    return table(("true class", "taken for", "clips"), rows)


def _facts_text(report: Report) -> str:
    rows = [
        ("protocol", report.protocol),
        *([("missing", report.missing)] if report.missing else []),
        ("weights", report.weights),
        ("seed", report.seed),
        ("configuration", report.config_sha256[:12]),
        ("commit", report.commit or "no checkout"),
        ("machine", report.machine),
        ("training", f"{report.minutes:.1f} minutes"),
        ("date", report.date),
        ("versions", ", ".join(f"{name} {number}" for name, number in report.versions.items())),
    ]
    return f"{table(('what', 'value'), rows)}\n\n{code(report.command)}"
