"""Computes what came of a sweep: of each row its figures, and how it differs from the baseline."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from asclf.score.compare import align, holm, mcnemar
from asclf.score.intervals import Interval, bootstrap_mean, wilson_interval
from asclf.score.kept_sweeps import RowResult, SweepResult, Versus
from asclf.score.metrics import FloatArray
from asclf.score.result import Result
from asclf.score.scores import Scores
from asclf.sweep.spec import Row, Sweep

Scored = Mapping[int, tuple[Result, Scores]]
"""A row's result and scores by seed."""


def summarise(sweep: Sweep, scored: Mapping[str, Scored]) -> SweepResult:
    """Computes every figure of a sweep.

    Args:
        sweep: What was asked for.
        scored: What was run, by the name of the row.

    Raises:
        DataError: Two rows were scored on other clips.
    """
    rows = [_row(row, scored[row.name]) for row in sweep.rows if scored.get(row.name)]
    base = scored.get(sweep.baseline)
    if base:
        tested = [_versus(scored[row.name], base, row.name, sweep.baseline) for row in rows]
        rows = _with_versus(rows, tested)
    protocols = {result.protocol for seeds in scored.values() for result, _ in seeds.values()}
    return SweepResult(
        name=sweep.name,
        title=sweep.title,
        column=sweep.column,
        protocol=", ".join(sorted(protocols)),
        baseline=sweep.baseline,
        planned=tuple(row.name for row in sweep.rows),
        rows=tuple(rows),
        published=sweep.published,
    )


def _row(row: Row, scored: Scored) -> RowResult:
    results = {seed: result for seed, (result, _) in scored.items()}
    first = next(iter(results.values()))
    correct, clips = (
        sum(getattr(r, key) for r in results.values()) for key in ("correct", "clips")
    )
    return RowResult(
        name=row.name,
        settings=dict(row.settings),
        correct=correct,
        clips=clips,
        interval_95=_interval(scored, correct, clips),
        seeds={seed: result.accuracy for seed, result in results.items()},
        folds=tuple(fold.fold for fold in first.folds if fold.fold is not None),
        minutes=sum(result.minutes for result in results.values()),
        dataset=first.dataset,
        model=first.model,
        init=first.init,
        init_sha256=first.init_sha256,
        config_sha256=first.config_sha256,
        setting_sha256=first.setting,
        commit=first.commit,
        machine=str(first.machine),
    )


def _interval(scored: Scored, correct: int, clips: int) -> Interval:
    if len(scored) == 1:
        return wilson_interval(correct, clips)
    first = next(iter(scored.values()))[1]
    return bootstrap_mean(_hits(scored, first, "a row"), first.sources)


def _hits(scored: Scored, like: Scores, name: str) -> FloatArray:
    """(N,) how often each clip was right, as a share of the seeds."""
    aligned = [align(scores, like, name, "the baseline") for _, scores in scored.values()]
    hits: FloatArray = np.mean([scores.correct for scores in aligned], axis=0, dtype=np.float64)
    return hits


def _versus(scored: Scored, base: Scored, name: str, base_name: str) -> Versus | None:
    """The difference over the seeds that both have."""
    shared = [seed for seed in base if seed in scored]
    if name == base_name or not shared:
        return None
    like = base[shared[0]][1]
    ours, theirs = (
        _hits({seed: each[seed] for seed in shared}, like, name) for each in (scored, base)
    )
    gained = ours - theirs  # (N,)
    p = mcnemar(int((gained < 0).sum()), int((gained > 0).sum())) if len(shared) == 1 else None
    return Versus(
        difference=float(gained.mean()),
        interval_95=bootstrap_mean(gained, like.sources),
        p=p,
        p_adjusted=p,
    )


def _with_versus(rows: Sequence[RowResult], tested: Sequence[Versus | None]) -> list[RowResult]:
    """Allows for the number of rows that were tested."""
    adjusted = iter(holm([each.p for each in tested if each and each.p is not None]))
    allowed = [
        replace(each, p_adjusted=next(adjusted)) if each and each.p is not None else each
        for each in tested
    ]
    return [replace(row, versus=each) for row, each in zip(rows, allowed, strict=True)]
