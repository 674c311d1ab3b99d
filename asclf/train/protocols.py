"""One model under four protocols: how much of a figure is the protocol's, and how much the model's.

Two of them are honest. The other two are how many published figures were made: an epoch chosen by
its score on the test clips, and clips of one recording on both sides of the split.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from asclf.config.experiment import ExperimentConfig, load_experiment
from asclf.data.dealing import Dealing
from asclf.data.shard_index import ShardIndex
from asclf.data.shards import write_shards
from asclf.data.splits import part_shards
from asclf.files import write_whole
from asclf.score.experiment import score_experiment
from asclf.score.markdown import table
from asclf.score.report import Report, dataset_of
from asclf.score.report_page import write_report
from asclf.score.side_by_side import HEADER, row
from asclf.train.progress import Progress
from asclf.train.run import open_index, train_experiment
from asclf.train.stop import AskedToStop, never

USUAL_FOLDS = 10
"""To deal clips to that have no folds: a tenth of them is then scored."""


@dataclass(frozen=True)
class Scope:
    """Which folds are scored, and what the whole dataset has beside the shards."""

    folds: Sequence[int] | None
    official_folds: int | None
    missing: str

    def dealt(self, present: Sequence[int]) -> Scope:
        """As many folds dealt from those present: they are none of the dataset's, but lack some."""
        absent = sorted({*range(1, (self.official_folds or 0) + 1)} - {*present})
        told = f"official fold {', '.join(map(str, absent))}" if absent else ""
        folds = range(1, len(self.folds or (None,)) + 1)
        return Scope(folds, None, ", ".join(filter(None, [self.missing, told])))


@dataclass(frozen=True)
class Plan:
    """An experiment under one protocol: its folder, what it changes, what it scores."""

    name: str
    overrides: tuple[str, ...]
    scope: Scope
    leaks: bool = False


def compare_protocols(
    config_path: Path,
    exp: Path,
    manifest: Path,
    *,
    overrides: Sequence[str] = (),
    folds: Sequence[int] | None = None,
    official_folds: int | None = None,
    missing: str = "",
    command: str,
    progress: Progress | None = None,
    asked_to_stop: AskedToStop = never,
) -> dict[str, Report]:
    """Trains and scores a model under each protocol; what is done already is not done again.

    Args:
        config_path: The experiment's YAML.
        exp: A folder; each protocol's experiment gets its own in it.
        manifest: What the shards were made from; its clips are dealt to folds at random for
            `leaky_random`.
        overrides: `key.path=value`, over what the file says.
        folds: Folds to leave out in turn, as many dealt ones for `leaky_random`; `None` takes all.
        official_folds: How many folds the whole dataset has; `None` takes those in the shards.
        missing: What else of the dataset the shards lack, in words.
        command: The command line that repeats this.
        progress: Told of every step and epoch.
        asked_to_stop: Asked before every step whether to leave off there.

    Returns:
        The reports by the protocols' names. They are also written, with a table of them.

    Raises:
        StoppedError: It was asked to stop; the same call goes on from there.
        AsclfError: The configuration, the data or the folders cannot be used.
    """
    config = load_experiment(config_path, overrides)
    index = open_index(config, config_path)
    folds = folds or index.folds or None
    for fold in (None,) if folds is None else folds:
        part_shards(index, fold, "nested")  # which needs most, and before any training
    scope = Scope(folds, official_folds, missing)
    reports = {}
    for plan in _plans(config, index, exp, manifest, scope):
        each = exp / plan.name
        train_experiment(
            config_path,
            each,
            overrides=[*overrides, *plan.overrides],
            folds=plan.scope.folds,
            resume=True,
            progress=progress,
            asked_to_stop=asked_to_stop,
            allow_leakage=plan.leaks,
        )
        reports[plan.name] = _score(each, plan, dataset_of(config), command)
    write_whole(exp / "protocols.md", table(HEADER, map(row, reports.values())) + "\n")
    return reports


def _score(exp: Path, plan: Plan, dataset: str, command: str) -> Report:
    """Scores one of the experiments; its report says of which comparison and dataset it is."""
    found, scores = score_experiment(
        exp,
        plan.scope.folds,
        official_folds=plan.scope.official_folds,
        missing=plan.scope.missing,
        command=command,
    )
    comparison = exp.resolve().parent.name
    name = f"{comparison}_{plan.name}"
    report = replace(found, name=name, comparison=comparison, dataset=dataset)
    scores.save(exp / "scores.npz")
    write_report(report, exp)
    return report


def _plans(
    config: ExperimentConfig,
    index: ShardIndex,
    exp: Path,
    manifest: Path,
    scope: Scope,
) -> Iterator[Plan]:
    best = f"train.average_best={config.train.average_best or config.train.average_last}"
    last = ("data.protocol=official", "train.average_best=null", "train.patience=null")
    yield Plan("official", last, scope)
    yield Plan("nested", ("data.protocol=nested", best), scope)
    yield Plan("test_selected", ("data.protocol=test_selected", best), scope)
    shards = exp / "leaky_random" / "shards"
    dealing = Dealing(len(index.folds) or USUAL_FOLDS, config.seed)
    write_shards(manifest, shards, sample_rate=config.sample_rate, dealing=dealing)
    own = (*last, f"data.shards={shards}")
    yield Plan("leaky_random", own, scope.dealt(index.folds), leaks=True)
