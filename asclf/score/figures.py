"""The confusion matrix as a picture, readable from 2 to about 100 classes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from asclf.errors import MissingExtraError
from asclf.files import whole_file
from asclf.score.report import Report
from asclf.score.result import percent

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

CELL_IN = 0.27
MARGIN_IN = 2.6
DPI = 150


def write_confusion_png(report: Report, path: Path) -> None:
    """Draws the confusion matrix of a report.

    Raises:
        MissingExtraError: matplotlib is not installed (extra `plots`).
    """
    try:
        from matplotlib.figure import Figure
    except ModuleNotFoundError as error:
        raise MissingExtraError("matplotlib", "plots") from error
    side = MARGIN_IN + max(3.0, CELL_IN * len(report.classes))
    figure = Figure(figsize=(side, side), layout="constrained")
    draw_confusion(report, figure)
    with whole_file(path) as part:
        figure.savefig(part, format="png", dpi=DPI)


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
    low, high = report.interval_95
    axes.set_title(
        f"{report.name}, {report.scope}\n"
        f"{report.correct} of {report.clips} clips correct: {percent(report.accuracy)}\n"
        f"95 % interval {100 * low:.1f} to {100 * high:.1f} %",
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
