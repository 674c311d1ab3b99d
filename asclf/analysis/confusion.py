"""What was taken for what (the SpectroMaskNet paper's Fig. 11)."""

from __future__ import annotations

from asclf.analysis.figure import Drawn, write_table
from asclf.analysis.study import Study
from asclf.errors import DataError
from asclf.score.figures import write_confusion_png
from asclf.score.report import Report


def draw_confusion_of(study: Study) -> Drawn:
    """Draws the confusion matrix of the experiment's report.

    Raises:
        DataError: It is not scored, or its labels may be heard together.
    """
    report = Report.read(study.exp / "report.json")
    if not report.confusion:
        raise DataError("labels that may be heard together are not confused", where=study.exp)
    labels = [score.label for score in report.classes]
    write_confusion_png(report, study.out / "confusion.png")
    rows = ((label, *row) for label, row in zip(labels, report.confusion, strict=True))
    table = write_table(study.out / "confusion.csv", ("true", *labels), rows)
    text = f"{report.line}. Rows are the true classes; colours are shares of a row."
    return Drawn("confusion", "Confusion matrix", text, (table,))
