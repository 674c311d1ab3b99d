"""One model under four protocols: how much of a figure is the protocol's, and how much the model's.

Two of them are honest. The other two are how many published figures were made: an epoch chosen by
its score on the test clips, and clips of one recording on both sides of the split.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from asclf.config.experiment import ExperimentConfig, load_experiment
from asclf.data.dealing import Dealing
from asclf.data.shard_index import ShardIndex
from asclf.data.shards import write_shards
from asclf.data.splits import part_shards
from asclf.files import write_whole
from asclf.score.experiment import score_experiment
from asclf.score.markdown import table
from asclf.score.protocol import warning_of
from asclf.score.report import Report
from asclf.score.report_page import write_report
from asclf.score.result import percent
from asclf.train.progress import Progress
from asclf.train.run import open_index, train_experiment

USUAL_FOLDS = 10
"""To deal clips to that have no folds: a tenth of them is then scored."""

HEADER = ("protocol", "accuracy", "correct", "95 % interval", "")


@dataclass(frozen=True)
class Plan:
    """An experiment under one protocol: its folder, what it changes, which folds it scores."""

    name: str
    overrides: tuple[str, ...]
    folds: Sequence[int] | None
    leaks: bool = False


def compare_protocols(
    config_path: Path,
    exp: Path,
    manifest: Path,
    *,
    overrides: Sequence[str] = (),
    folds: Sequence[int] | None = None,
    command: str,
    progress: Progress | None = None,
) -> dict[str, Report]:
    """Trains and scores a model under each protocol; what is done already is not done again.

    Args:
        config_path: The experiment's YAML.
        exp: A folder; each protocol's experiment gets its own in it.
        manifest: What the shards were made from; its clips are dealt to folds at random for
            `leaky_random`.
        overrides: `key.path=value`, over what the file says.
        folds: Folds to leave out in turn, as many dealt ones for `leaky_random`; `None` takes all.
        command: The command line that repeats this.
        progress: Told of every step and epoch.

    Returns:
        The reports by the protocols' names. They are also written, with a table of them.

    Raises:
        AsclfError: The configuration, the data or the folders cannot be used.
    """
    config = load_experiment(config_path, overrides)
    index = open_index(config, config_path)
    folds = folds or index.folds or None
    for fold in (None,) if folds is None else folds:
        part_shards(index, fold, "nested")  # which needs most, and before any training
    reports = {}
    for plan in _plans(config, index, exp, manifest, folds):
        each = exp / plan.name
        train_experiment(
            config_path,
            each,
            overrides=[*overrides, *plan.overrides],
            folds=plan.folds,
            resume=True,
            progress=progress,
            allow_leakage=plan.leaks,
        )
        reports[plan.name] = _score(each, plan, command)
    write_whole(exp / "protocols.md", table(HEADER, map(row, reports.values())) + "\n")
    return reports


def _score(exp: Path, plan: Plan, command: str) -> Report:
    folds = None if plan.folds is None else list(plan.folds)
    report, scores = score_experiment(exp, folds, command=command)
    scores.save(exp / "scores.npz")
    write_report(report, exp)
    return report


def row(report: Report) -> tuple[str, ...]:
    """A report under the words of `HEADER`."""
    low, high = report.interval_95
    return (
        report.protocol,
        percent(report.accuracy),
        f"{report.correct} of {report.clips}",
        f"{100 * low:.1f} to {100 * high:.1f} %",
        warning_of(report.protocol),
    )


def _plans(
    config: ExperimentConfig,
    index: ShardIndex,
    exp: Path,
    manifest: Path,
    folds: Sequence[int] | None,
) -> Iterator[Plan]:
    best = f"train.average_best={config.train.average_best or config.train.average_last}"
    last = ("data.protocol=official", "train.average_best=null", "train.patience=null")
    yield Plan("official", last, folds)
    yield Plan("nested", ("data.protocol=nested", best), folds)
    yield Plan("test_selected", ("data.protocol=test_selected", best), folds)
    shards = exp / "leaky_random" / "shards"
    dealing = Dealing(len(index.folds) or USUAL_FOLDS, config.seed)
    write_shards(manifest, shards, sample_rate=config.sample_rate, dealing=dealing)
    dealt = range(1, len(folds or (None,)) + 1)
    yield Plan("leaky_random", (*last, f"data.shards={shards}"), dealt, leaks=True)
