"""A report's pictures: confusion (readable from 2 to about 100 classes), and reliability."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from asclf.errors import MissingExtraError
from asclf.files import whole_file
from asclf.score.report import Report
from asclf.score.result import percent, span_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

CELL_IN = 0.27
MARGIN_IN = 2.6
DPI = 150


def write_figures(report: Report, folder: Path) -> None:
    """Draws `reliability.png`, and `confusion.png` where labels exclude one another.

    Raises:
        MissingExtraError: matplotlib is not installed (extra `plots`).
    """
    if report.confusion:
        write_confusion_png(report, folder / "confusion.png")
    if report.calibration is not None:
        write_reliability_png(report, folder / "reliability.png")


def write_confusion_png(report: Report, path: Path) -> None:
    """Draws the confusion matrix of a report.

    Raises:
        MissingExtraError: matplotlib is not installed (extra `plots`).
    """
    side = MARGIN_IN + max(3.0, CELL_IN * len(report.classes))
    figure = new_figure(side, side)
    draw_confusion(report, figure)
    save(figure, path)


def write_reliability_png(report: Report, path: Path) -> None:
    """Draws the share of right answers over the score, and how often each score is given.

    Raises:
        MissingExtraError: matplotlib is not installed (extra `plots`).
    """
    figure = new_figure(5.0, 5.6)
    draw_reliability(report, figure)
    save(figure, path)


def new_figure(width_in: float, height_in: float) -> Figure:
    """An empty picture; matplotlib keeps no state of it."""
    try:
        from matplotlib.figure import Figure
    except ModuleNotFoundError as error:
        raise MissingExtraError("matplotlib", "plots") from error
    return Figure(figsize=(width_in, height_in), layout="constrained")


def save(figure: Figure, path: Path) -> None:
    """Writes a picture as PNG, whole or not at all."""
    with whole_file(path) as part:
        figure.savefig(part, format="png", dpi=DPI)


def draw_reliability(report: Report, figure: Figure) -> None:
    """Draws a bar for each bin of scores: its share of right answers, against the diagonal."""
    found = report.calibration
    assert found is not None
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(4, 1))
    places = [each.low for each in found.bins]
    widths = [each.high - each.low for each in found.bins]
    shares = [each.share for each in found.bins]
    upper.bar(places, shares, widths, align="edge", color="tab:blue", edgecolor="white")
    upper.plot([0, 1], [0, 1], color="0.3", linestyle="--", linewidth=1, label="as it should be")
    scores = [each.score for each in found.bins]
    upper.plot(scores, shares, "o", color="black", markersize=3, label="mean score of a bin")
    upper.set(xlim=(0, 1), ylim=(0, 1.03), ylabel="share of right answers")
    upper.legend(loc="upper left", fontsize=8)
    lower.bar(places, [each.cases for each in found.bins], widths, align="edge", color="0.6")
    lower.set(xlabel="score", ylabel="cases")
    upper.set_title(
        f"{report.name}, {report.scope}\nexpected calibration error {found.ece:.3f}",
        fontsize=10,
        loc="left",
    )


def draw_confusion(report: Report, figure: Figure) -> None:
    """Draws the matrix: the colour is the share of the true class's clips, numbers are clips.

    Colours follow the square root of the share, so that 1 of 40 clips is seen as well.
    """
    counts = np.array(report.confusion)  # (C, C)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    axes = figure.add_subplot()
    axes.imshow(np.sqrt(shares), cmap="Blues", vmin=0, vmax=1)
    _write_counts(axes, counts, shares)
    _name_classes(axes, [score.label for score in report.classes])
    warning = f"\n{report.warning}" if report.warning else ""
    axes.set_title(
        f"{report.name}, {report.scope}\n"
        f"{report.correct} of {report.clips} clips correct: {percent(report.accuracy)}\n"
        f"95 % interval {span_of(report.interval_95)}{warning}",
        fontsize=8 + figure.get_figwidth() / 2,
        loc="left",
    )


def _write_counts(axes: Axes, counts: np.ndarray, shares: np.ndarray) -> None:
    for (row, column), count in np.ndenumerate(counts):
        if count:
            color = "white" if shares[row, column] > 0.25 else "black"
            axes.text(column, row, str(count), ha="center", va="center", fontsize=8, color=color)


def _name_classes(axes: Axes, labels: list[str]) -> None:
    words = [label.replace("_", " ") for label in labels]
    places = range(len(labels))
    axes.set_xticks(places, words, rotation=90, fontsize=9)
    axes.set_yticks(places, words, fontsize=9)
    axes.set_xlabel("predicted")
    axes.set_ylabel("true")
    between = np.arange(len(labels) - 1) + 0.5
    axes.set_xticks(between, minor=True)
    axes.set_yticks(between, minor=True)
    axes.grid(which="minor", color="0.9", linewidth=0.5)
    axes.tick_params(which="minor", length=0)
