"""What a bundle says of its training, from the checkpoint and the report beside it."""

from __future__ import annotations

from asclf.bundle.manifest import TrainingFacts
from asclf.checkpoint import Checkpoint
from asclf.score.report import Report
from asclf.score.result import percent
from asclf.score.runs import DATA, config_sha256, run_files

REPORT = "report.json"


def training_facts(checkpoint: Checkpoint, data_licence: str | None) -> TrainingFacts:
    """Gathers the facts; the score is left out where no report of this configuration exists."""
    return TrainingFacts(
        config_sha256=config_sha256(checkpoint.config),
        epochs=checkpoint.meta.epoch,
        test_fold=checkpoint.config.data.test_fold,
        score=score_line(checkpoint),
        data_licence=data_licence,
    )


def score_line(checkpoint: Checkpoint) -> str | None:
    """The score of these very weights where they left a fold out, and that of the experiment.

    Raises:
        DataError: The experiment's report is broken.
    """
    path = checkpoint.path.parent.parent / REPORT
    if not path.is_file():
        return None
    report = Report.read(path)
    if not _is_of_this_start(report, checkpoint):
        return None
    if report.folds[0].fold is None:
        return f"{report.line}."
    own = [
        f"Fold {fold.fold}: {percent(fold.accuracy)} ({fold.correct} of {fold.clips} clips). "
        for fold in report.folds
        if fold.fold == checkpoint.config.data.test_fold
    ]
    return f"{''.join(own)}The experiment, each fold scored by its own model: {report.line}."


def _is_of_this_start(report: Report, checkpoint: Checkpoint) -> bool:
    """Whether a report is of this configuration, and from the weights that this run started from.

    An older report does not know its start, and a checkpoint that was copied has no run beside it.
    """
    if report.config_sha256 != config_sha256(checkpoint.config):
        return False
    run = checkpoint.path.parent
    if report.init_sha256 is None or not (run / DATA).is_file():
        return True
    return report.init_sha256 == run_files(run).get("init_sha256")
