from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from asclf.errors import MissingExtraError
from asclf.score.figures import (
    draw_confusion,
    draw_reliability,
    write_confusion_png,
    write_figures,
)
from asclf.score.report import Report

ReportMaker = Callable[..., Report]


@pytest.mark.parametrize("num_classes", [2, 50])
def test_png_is_written_and_grows_with_the_classes(
    make_report: ReportMaker, tmp_path: Path, num_classes: int
) -> None:
    image = pytest.importorskip("matplotlib.image")
    write_confusion_png(make_report(np.eye(num_classes, dtype=int).tolist()), tmp_path / "c.png")
    height, width, _ = image.imread(tmp_path / "c.png").shape
    assert height == width > 40 * num_classes
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["c.png"]


def test_counts_names_and_interval_are_drawn(make_report: ReportMaker) -> None:
    figure = pytest.importorskip("matplotlib.figure").Figure()
    report = make_report([[30, 10], [0, 40]])
    draw_confusion(report, figure)
    (axes,) = figure.axes
    assert sorted(text.get_text() for text in axes.texts) == ["10", "30", "40"]
    assert [tick.get_text() for tick in axes.get_yticklabels()] == ["class 0", "class 1"]
    title = axes.get_title(loc="left")
    assert "70 of 80 clips correct: 87.50 %" in title
    assert "95 % interval 78.5 to 93.1 %" in title


def test_reliability_is_drawn_bin_by_bin(make_report: ReportMaker, tmp_path: Path) -> None:
    image = pytest.importorskip("matplotlib.image")
    figure = pytest.importorskip("matplotlib.figure").Figure()
    report = make_report([[30, 10], [0, 40]])
    assert report.calibration is not None
    draw_reliability(report, figure)
    upper, lower = figure.axes
    heights = [bar.get_height() for bar in upper.patches]
    assert heights == [each.share for each in report.calibration.bins]
    assert sum(bar.get_height() for bar in lower.patches) == 80
    write_figures(report, tmp_path)
    assert image.imread(tmp_path / "reliability.png").shape[0] > 500
    assert (tmp_path / "confusion.png").is_file()


def test_without_matplotlib_the_extra_is_named(
    make_report: ReportMaker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(MissingExtraError, match=r"asclf\[plots\]"):
        write_confusion_png(make_report(), tmp_path / "c.png")
