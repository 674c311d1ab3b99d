"""Sweeps as Markdown: one with its tests, or several beside what a paper reports."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from asclf.score.kept_sweeps import RowResult, SweepResult
from asclf.score.markdown import table
from asclf.score.result import percent

NOT_RUN = ""


def sweep_table(result: SweepResult) -> str:
    """One sweep: figures with intervals, and every row's difference from the baseline."""
    ours = {row.name: row for row in result.rows}
    header = [
        "row",
        "correct",
        "accuracy",
        "95 % interval",
        "± over seeds",
        f"against {result.baseline}",
        "p (Holm)",
        "minutes",
        *_published_header(result),
    ]
    rows = [
        [name, *_figures(ours.get(name)), *_published(result, name)] for name in _all_rows([result])
    ]
    return f"## {result.title}\n\n{table(header, rows)}\n\n{_caption(result)}\n"


def paper_table(results: Sequence[SweepResult]) -> str:
    """Sweeps of one table of a paper, a column of ours and one of theirs for each."""
    header, columns = ["row"], []
    for result in results:
        ours = {row.name: row for row in result.rows}
        header += [" ".join(filter(None, ("ours", result.column))), *_published_header(result)]
        columns.append((result, ours))
    rows = [
        [name, *(cell for result, ours in columns for cell in _cells(result, ours, name))]
        for name in _all_rows(results)
    ]
    return f"{table(header, rows)}\n\n" + "\n".join(_caption(result) for result in results) + "\n"


def _all_rows(results: Sequence[SweepResult]) -> list[str]:
    """Every name, planned or published, once."""
    names: dict[str, None] = {}
    for result in results:
        names |= dict.fromkeys((*result.planned, *result.published.accuracy))
    return list(names)


def _figures(row: RowResult | None) -> list[object]:
    if row is None:
        return [NOT_RUN] * 7
    low, high = row.interval_95
    return [
        f"{row.correct} of {row.clips}",
        percent(row.accuracy),
        f"{100 * low:.1f} to {100 * high:.1f} %",
        NOT_RUN if row.spread is None else f"{100 * row.spread:.2f}",
        *_versus(row),
        f"{row.minutes:.1f}",
    ]


def _versus(row: RowResult) -> Iterator[str]:
    if row.versus is None:
        yield from ("", "")
        return
    low, high = (100 * bound for bound in row.versus.interval_95)
    yield f"{100 * row.versus.difference:+.2f} ({low:+.1f} to {high:+.1f})"
    p = row.versus.p_adjusted
    yield "" if p is None else f"{p:.3f}"


def _cells(result: SweepResult, ours: dict[str, RowResult], name: str) -> Iterator[str]:
    row = ours.get(name)
    if row is None:
        yield NOT_RUN
    else:
        low, high = row.interval_95
        yield f"{percent(row.accuracy)} ({100 * low:.1f} to {100 * high:.1f}; n = {row.clips})"
    yield from _published(result, name)


def _published_header(result: SweepResult) -> list[str]:
    if not result.published.accuracy:
        return []
    return [" ".join(filter(None, ("paper", result.published.column or result.column)))]


def _published(result: SweepResult, name: str) -> list[str]:
    if not result.published.accuracy:
        return []
    theirs = result.published.accuracy.get(name)
    return [NOT_RUN if theirs is None else f"{theirs:g} %"]


def _caption(result: SweepResult) -> str:
    if not result.rows:
        return f"{result.title}: not run."
    folds = sorted({fold for row in result.rows for fold in row.folds})
    machines = ", ".join(sorted({row.machine for row in result.rows}))
    commits = ", ".join(sorted({row.commit or "no checkout" for row in result.rows}))
    missing = len(result.planned) - len(result.rows)
    parts = [
        f"{result.title}: protocol {result.protocol}, folds {', '.join(map(str, folds))}",
        f"{sum(row.minutes for row in result.rows):.0f} minutes on {machines}",
        f"commit {commits}",
        *([f"{missing} of {len(result.planned)} rows not run"] if missing else []),
        *([f"paper: {result.published.source}"] if result.published.source else []),
    ]
    return "; ".join(parts) + "."
