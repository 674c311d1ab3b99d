"""A report as files: all of it as JSON, and what a person wants to read as Markdown."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from asclf.files import write_whole
from asclf.score.markdown import code, section, table
from asclf.score.report import ClassScore, Report
from asclf.score.result import percent, span_of

Row = tuple[object, ...]


def write_report(report: Report, folder: Path) -> None:
    """Writes `report.json` and `report.md`."""
    text = json.dumps(report.as_dict(), indent=2, ensure_ascii=False, allow_nan=False)
    write_whole(folder / "report.json", text + "\n")
    write_whole(folder / "report.md", to_markdown(report))


def to_markdown(report: Report) -> str:
    """The report for a person."""
    skipped = report.skipped
    confusions = [section("Most frequent confusions", _confusions_text(report))]
    parts = [
        f"# {report.name}\n\n**{report.line}**\n",
        *([f"**Warning: {report.warning}.**\n"] if report.warning else []),
        *([section("Clips that could not be scored", _skipped_text(report))] if skipped else []),
        section("Figures", _figures_text(report)),
        section("Folds", _folds_text(report)),
        section("Classes", _classes_text(report)),
        *([] if report.multi_label else confusions),
        section("Calibration", _calibration_text(report)),
        section("How it was made", _facts_text(report)),
    ]
    return "\n".join(parts)


def _skipped_text(report: Report) -> str:
    return "\n".join(f"- {clip}" for clip in report.skipped)


def _figures_text(report: Report) -> str:
    by_source = _by_source_text(report)
    rows: list[Row] = [
        ("labels", "may be heard together" if report.multi_label else "exclude one another"),
        ("all labels right" if report.multi_label else "correct", report.counted),
        ("accuracy", percent(report.accuracy)),
        ("95 % interval (Wilson)", span_of(report.interval_95)),
        ("95 % interval (bootstrap by source)", by_source),
    ]
    if found := report.multi_label:
        interval = span_of(found.interval_by_source_95)
        rows.append(("mean average precision", percent(found.mean_average_precision)))
        rows.append(("its 95 % interval (bootstrap by source)", interval))
        rows.append(("micro F1", f"{found.micro_f1:.3f}"))
    rows.append(("macro F1", f"{report.macro_f1:.3f}"))
    if report.top_5 is not None:
        rows.append(("class among the best five", percent(report.top_5)))
    rows.append(("mean of the folds", report.spread))
    return table(("figure", "value"), rows)


def _by_source_text(report: Report) -> str:
    if report.interval_by_source_95 is None:
        return "no clip's source is known"
    return f"{span_of(report.interval_by_source_95)}, {report.sources} sources"


def _folds_text(report: Report) -> str:
    many = ["mAP"] if report.multi_label else []
    header = (
        "fold",
        "correct",
        "clips",
        "accuracy",
        *many,
        "training minutes",
        "epochs",
        "skipped",
    )
    rows = [
        (
            *(fold.title, fold.correct, fold.clips, percent(fold.accuracy)),
            *([percent(fold.share)] if many else []),
            *(f"{fold.minutes:.1f}", fold.epochs, fold.clips_skipped),
        )
        for fold in report.folds
    ]
    alone = "A single fold says little of the others. " if len(report.folds_known) > 1 else ""
    note = alone if len(report.folds) == 1 else ""
    return f"{table(header, rows)}\n\n{note}`skipped` counts training clips."


def _classes_text(report: Report) -> str:
    def worth(score: ClassScore) -> float:
        share = score.average_precision if report.multi_label else score.accuracy
        return 2.0 if share is None else share

    header = ("class", "correct", "clips", "accuracy", "F1", *["AP"] * bool(report.multi_label))
    rows = [
        (
            *(each.label, each.correct, each.clips, _share(each.accuracy), _number(each.f1)),
            *([_number(each.average_precision)] if report.multi_label else []),
        )
        for each in sorted(report.classes, key=worth)
    ]
    return table(header, rows)


def _share(value: float | None) -> str:
    return "–" if value is None else percent(value)


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


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


def _calibration_text(report: Report) -> str:
    found = report.calibration
    if found is None:
        return "Not measured."
    rows = [
        (f"{each.low:.2f} to {each.high:.2f}", each.cases, percent(each.score), _share(each.share))
        for each in found.bins
    ]
    error = f"Expected calibration error: {found.ece:.3f}."
    return (
        f"{error} {_temperature_text(found.temperatures, found.ece_at_temperatures)}\n\n"
        + table(("scores", "cases", "mean score", "right"), rows)
    )


def _temperature_text(temperatures: Sequence[float], ece: float | None) -> str:
    if ece is None:
        return "No temperature is fitted: there are no validation clips."
    fitted = ", ".join(f"{each:.2f}" for each in temperatures)
    return f"{ece:.3f} with the temperatures fitted on validation clips ({fitted})."


def _facts_text(report: Report) -> str:
    views = f"{report.views} views averaged" if report.views > 1 else "none"
    rows: list[Row] = [
        ("dataset", report.dataset or "–"),
        ("model", f"{report.model}, {report.parameters:,} parameters"),
        ("started from", report.start),
        ("protocol", report.protocol),
        *([("missing", report.missing)] if report.missing else []),
        ("weights", report.weights),
        ("test-time augmentation", views),
        ("seed", report.seed),
        ("configuration", report.config_sha256[:12]),
        ("commit", report.commit or "no checkout"),
        ("machine", report.machine),
        ("training", f"{report.minutes:.1f} minutes"),
        ("date", f"{report.date} {report.time}".strip()),
        ("versions", ", ".join(f"{name} {number}" for name, number in report.versions.items())),
    ]
    return f"{table(('what', 'value'), rows)}\n\n{code(report.command)}"
