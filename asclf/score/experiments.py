"""EXPERIMENTS.md: all scores of a recipe by configuration, so that it shows how often each scored.

RESULTS.md lists the same by time, and says nothing of sweeps. A configuration is scored on a fold
that was held out once with each seed; whoever does so again, and takes the better, has chosen on
the test clips. So what was scored more than once, or by code that nobody else has, is in bold.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from asclf.score.intervals import wilson_interval
from asclf.score.kept_sweeps import KEPT, RowResult, SweepResult
from asclf.score.markdown import table
from asclf.score.result import Result, fold_span, percent, span_of, start_text

PAGE = "EXPERIMENTS.md"
CHANGED = "+changes"
COLUMNS = (
    "configuration",
    "experiment",
    "dataset",
    "model",
    "started from",
    "protocol",
    "folds",
    "seeds",
    "correct",
    "score",
    "95 % interval",
    "each fold scored",
    "minutes",
    "commit",
    "listed in",
)
PREFACE = (
    "Every configuration that a held-out fold was scored with, sweeps among them; written by\n"
    "`asclf score`, `asclf sweep` and `asclf protocols` with `--results`, not by hand.\n"
    "[RESULTS.md](RESULTS.md) lists the tries by time, with their commands. What differs in the\n"
    "seed alone is one configuration; an option that a later version added, or another file to\n"
    "start from, makes another. `correct` adds up all scores of a row; the interval is Wilson's\n"
    "with every clip counted once, however often it was scored. Under `nested` whatever was\n"
    "chosen was chosen on validation clips. **Bold**: a fold was scored more than once with one\n"
    "seed, the code that trained had uncommitted changes, or the figure is too high.\n"
)


Configuration = tuple[str, str | None, str, str]
"""Hash, that of the weights to start from, dataset, protocol."""

Once = tuple[int, int | None]
"""Seed and fold of a scoring; the fold is `None` for a split."""

Times = Counter[tuple[Configuration, Once]]
"""How often each was scored, by whatever try."""


@dataclass(frozen=True)
class Entry:
    """What one try, or one row of a sweep, says of a configuration.

    Attributes:
        name: Of the experiment, or of the sweep and its row.
        configuration: That was scored.
        start: What training started from.
        protocol: With what speaks against it.
        views: Of each clip; scores of several stand in a row of their own.
        scored: With which seeds, on which folds.
        known: The dataset's folds, where they are known.
        headline: The score, where it is none that can be pooled.
        link: To the try, or to the kept sweep.
    """

    name: str
    configuration: Configuration
    model: str
    start: str
    protocol: str
    views: int
    scored: Sequence[Once]
    known: Sequence[int]
    correct: int
    clips: int
    headline: str
    minutes: float
    commit: str
    link: str

    @property
    def row(self) -> Hashable:
        """What entries of one row have in common."""
        return self.configuration, self.model, self.views


def experiments_page(numbered: Sequence[tuple[int, Result]], sweeps: Iterable[SweepResult]) -> str:
    """The text of EXPERIMENTS.md.

    Args:
        numbered: All results with the numbers of their tries in RESULTS.md.
        sweeps: Those that are kept.
    """
    entries = [of_try(number, result) for number, result in numbered]
    entries += [of_row(sweep, row) for sweep in sweeps for row in sweep.rows]
    times = Counter((each.configuration, once) for each in entries for once in each.scored)
    rows = defaultdict(list)
    for each in sorted(entries, key=_order):
        rows[each.row].append(each)
    lines = [_row(each, times) for each in rows.values()]
    return f"# Experiments\n\n{PREFACE}\n{table(COLUMNS, lines)}\n"


def of_try(number: int, result: Result) -> Entry:
    """A stored result."""
    return Entry(
        name=result.name,
        configuration=(result.setting, result.init_sha256, result.dataset, result.protocol),
        model=result.model,
        start=result.start,
        protocol=_protocol(result.protocol, result.warning),
        views=result.views,
        scored=[(result.seed, fold.fold) for fold in result.folds],
        known=result.folds_known,
        correct=result.correct,
        clips=result.clips,
        headline=f"{result.headline} ({span_of(result.interval)})" if result.multi_label else "",
        minutes=result.minutes,
        commit=result.commit or "no checkout",
        link=f"[try {number}](RESULTS.md#try-{number})",
    )


def of_row(sweep: SweepResult, row: RowResult) -> Entry:
    """A row of a kept sweep."""
    dataset = row.dataset or sweep.column
    return Entry(
        name=f"{sweep.name}: {row.name}",
        configuration=(row.setting, row.init_sha256, dataset, sweep.protocol),
        model=row.model,
        start=start_text(row.init, row.init_sha256) if row.model else "",  # older ones did not say
        protocol=_protocol(sweep.protocol, sweep.warning),
        views=1,
        scored=[(seed, fold) for seed in row.seeds for fold in row.folds or (None,)],
        known=(),
        correct=row.correct,
        clips=row.clips,
        headline="",
        minutes=row.minutes,
        commit=row.commit or "no checkout",
        link=f"[{sweep.name}]({KEPT.as_posix()}/{sweep.name}.json)",
    )


def _order(entry: Entry) -> tuple[str, ...]:
    setting, _, dataset, protocol = entry.configuration
    return dataset, entry.model, entry.start, protocol, entry.name, setting


def _protocol(protocol: str, warning: str) -> str:
    return f"{protocol}, **{warning}**" if warning else protocol


def _row(entries: Sequence[Entry], times: Times) -> Sequence[object]:
    first = entries[0]
    setting, _, dataset, _ = first.configuration
    score, interval = _figures(entries)
    return (
        setting[:12],
        _distinct(each.name for each in entries),
        dataset,
        first.model,
        first.start,
        first.protocol + (f", {first.views} views of each clip" if first.views > 1 else ""),
        _folds(entries),
        ", ".join(map(str, sorted({seed for each in entries for seed, _ in each.scored}))),
        f"{sum(each.correct for each in entries)} of {sum(each.clips for each in entries)}",
        score,
        interval,
        _how_often(entries, times),
        f"{sum(each.minutes for each in entries):.1f}",
        _distinct(f"**{c}**" if CHANGED in c else c for c in (each.commit for each in entries)),
        _distinct(each.link for each in entries),
    )


def _distinct(texts: Iterable[str]) -> str:
    return ", ".join(dict.fromkeys(texts))


def _figures(entries: Sequence[Entry]) -> tuple[str, str]:
    """The score of all entries together with its interval."""
    if any(each.headline for each in entries):
        return _distinct(each.headline for each in entries), ""
    scored = [once for each in entries for once in each.scored]
    share = sum(each.correct for each in entries) / sum(each.clips for each in entries)
    often = len(scored) / len({fold for _, fold in scored})
    clips = sum(each.clips for each in entries) / often  # exactly, where folds are of one size
    return percent(share), span_of(wilson_interval(share * clips, clips))


def _folds(entries: Sequence[Entry]) -> str:
    folds = sorted({fold for each in entries for _, fold in each.scored if fold is not None})
    if not folds:
        return "split test"
    known = sorted({fold for each in entries for fold in each.known})
    return fold_span(folds) + (f" of {fold_span(known)}" if known else "")


def _how_often(entries: Sequence[Entry], times: Times) -> str:
    """How often a fold was scored with one seed, by whatever try of the configuration."""
    key = entries[0].configuration
    scored = {once: times[key, once] for each in entries for once in each.scored}
    most = max(scored.values())
    if most == 1:
        return "once" if len({seed for seed, _ in scored}) == 1 else "once with each seed"
    return f"**{most} times**: {', '.join(_most_often(scored, most))}"


def _most_often(scored: dict[Once, int], most: int) -> Iterator[str]:
    for seed in sorted({seed for seed, _ in scored}):
        folds = [fold for (of, fold), count in scored.items() if of == seed and count == most]
        numbers = sorted(fold for fold in folds if fold is not None)
        if folds:
            yield f"{f'fold {fold_span(numbers)}' if numbers else 'split test'} with seed {seed}"
