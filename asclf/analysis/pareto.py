"""What accuracy costs: latency and parameters of all models that were scored."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from asclf.analysis.figure import COLOURS, MARKERS, Drawn, save, write_table
from asclf.analysis.study import Study
from asclf.errors import DataError
from asclf.score.figures import new_figure
from asclf.score.ledger import read_results
from asclf.score.result import Result
from asclf.score.summary import precedence

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PANEL_IN = (4.2, 3.6)
LEGEND_IN = 2.6
FRONT = "Pareto front"
FAR = 1e3
"""How far beyond its dearest point a front is drawn: over the edge of the picture."""
Cost = Literal["latency", "parameters"]
COSTS: tuple[Cost, ...] = ("latency", "parameters")
HEADER = (
    "dataset",
    "model",
    "init",
    "clips",
    "accuracy",
    "low",
    "high",
    "partial",
    "parameters",
    "latency",
    "front_by_latency",
    "front_by_parameters",
)


@dataclass(frozen=True)
class Point:
    """A scored model: its best-founded score, and what it costs.

    `latency` is in the unit of the file of models; `None` where it was not measured.
    """

    result: Result
    parameters: int
    latency: float | None

    @property
    def name(self) -> str:
        """The model, and whether it was trained from other weights than random ones."""
        return f"{self.result.model}, pre-trained" if self.result.init else self.result.model


def draw_pareto(study: Study) -> Drawn:
    """Draws accuracy over latency and parameters, a row for each dataset.

    Raises:
        DataError: No stored scores or no file of models was named, or none of them fit together.
    """
    if not study.recipes or study.models is None:
        raise DataError("it needs --results and --models")
    costs, unit = read_costs(study.models)
    results = [result for recipe in study.recipes for result in read_results(recipe)]
    points = list(join(best_founded(results), costs))
    if not points:
        raise DataError("none of these models was scored", where=study.models)
    _draw(points, unit, study)
    table = write_table(study.out / "pareto.csv", HEADER, _rows(points))
    return Drawn("pareto", "Accuracy against latency and parameters", describe(points), (table,))


def read_costs(path: Path) -> tuple[dict[str, Mapping[str, Any]], str]:
    """The rows of a file of models by backbone, and the name of their column of latency.

    Raises:
        DataError: It is no such file.
    """
    try:
        rows = json.loads(path.read_bytes())["rows"]
        unit = next(key for key in rows[0] if key.startswith("latency"))
        return {
            row["backbone"]: {"params": row["params"], "latency": row[unit]} for row in rows
        }, unit
    except OSError as error:
        raise DataError(f"cannot be read: {error.strerror}", where=path) from error
    except (ValueError, KeyError, IndexError, TypeError, StopIteration) as error:
        expected = "`rows` with `backbone`, `params` and a column that begins with `latency`"
        raise DataError("no file of models", where=path, expected=expected) from error


def best_founded(results: Iterable[Result]) -> list[Result]:
    """Of each dataset and model, pre-trained or not, the try that goes before all in the README.

    Scores that are too high by their protocol, and those of labels heard together, are left out.
    """
    chosen: dict[tuple[str, str, bool], Result] = {}
    for result in sorted(results, key=precedence):
        if not result.warning and result.multi_label is None:
            chosen[result.dataset, result.model, result.init is not None] = result
    return [chosen[key] for key in sorted(chosen)]


def join(results: Iterable[Result], costs: Mapping[str, Mapping[str, Any]]) -> Iterator[Point]:
    """The results whose model has a known cost."""
    for result in results:
        if result.model in costs:
            cost = costs[result.model]
            yield Point(result, result.parameters or cost["params"], cost["latency"])


def front(points: Sequence[Point], cost: Cost) -> list[Point]:
    """The points that no other beats in accuracy at the same cost or less, the cheapest first."""
    known = [point for point in points if getattr(point, cost) is not None]
    best, chosen = -1.0, []
    for point in sorted(known, key=lambda each: (getattr(each, cost), -each.result.accuracy)):
        if point.result.accuracy > best:
            best = point.result.accuracy
            chosen.append(point)
    return chosen


def describe(points: Sequence[Point]) -> str:
    """The figure in words."""
    parts = []
    for dataset, rows in _by_dataset(points).items():
        names = ", ".join(f"{p.name} {p.result.line}" for p in front(rows, "latency"))
        parts.append(f"On {dataset}, no model that is as fast is better than: {names}.")
    return (
        "Bars are 95 % intervals; hollow points are scores of a part of the dataset, and numbers "
        "count clips: scores of different clips are not to be compared closely. Latency is that of "
        f"the named preset, whatever was changed in it. {' '.join(parts)}"
    )


def _draw(points: Sequence[Point], unit: str, study: Study) -> None:
    rows = _by_dataset(points)
    figure = new_figure(2 * PANEL_IN[0] + LEGEND_IN, PANEL_IN[1] * len(rows))
    names = sorted({point.name for point in points})
    panels = figure.subplots(len(rows), 2, squeeze=False, sharex="col")
    labels = {"latency": unit, "parameters": "parameters"}
    for line, (dataset, found) in zip(panels, rows.items(), strict=True):
        for axes, cost in zip(line, COSTS, strict=True):
            plot(axes, found, cost, names)
        line[0].set_title(dataset, fontsize=10, loc="left")
        line[0].set_ylabel("accuracy (%)")
    for axes, cost in zip(panels[-1], COSTS, strict=True):
        scale_costs(axes, [getattr(point, cost) for point in points])
        axes.set_xlabel(labels[cost])
    handles = {h.get_label(): h for axes in panels.flat for h in (*axes.containers, *axes.lines)}
    shown = [*names, FRONT]
    figure.legend([handles[name] for name in shown], shown, loc="outside right upper", fontsize=8)
    save(figure, study.out / "pareto.png")


def plot(axes: Axes, points: Sequence[Point], cost: Cost, names: Sequence[str]) -> None:
    """Draws the points of a dataset over one cost, on a logarithmic axis, and their front."""
    for point in points:
        if getattr(point, cost) is not None:
            _plot_point(axes, point, cost, names.index(point.name))
    best = front(points, cost)
    places = [getattr(point, cost) for point in best]
    values = [100 * point.result.accuracy for point in best]
    axes.step(
        [*places, FAR * places[-1]],
        [*values, values[-1]],
        where="post",
        color="0.5",
        linewidth=1,
        zorder=1,
        label=FRONT,
    )
    axes.grid(color="0.92")
    axes.set_axisbelow(True)


def scale_costs(axes: Axes, costs: Sequence[float | None]) -> None:
    """Makes the axis of a cost logarithmic, with plain numbers."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

    known = [cost for cost in costs if cost is not None]
    axes.set_xscale("log")
    axes.set_xlim(min(known) / 1.5, 1.5 * max(known))
    axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda cost, _: _plain(cost)))


def _plain(cost: float) -> str:
    return f"{cost / 1e6:g} M" if cost >= 1e5 else f"{cost:g}"


def _plot_point(axes: Axes, point: Point, cost: Cost, number: int) -> None:
    result, colour = point.result, COLOURS[number % len(COLOURS)]
    low, high = result.interval
    place, share = getattr(point, cost), result.accuracy
    label: dict[str, Any] = {
        "fontsize": 7,
        "color": "0.3",
        "textcoords": "offset points",
        "xytext": (5, 3),
    }
    axes.annotate(str(result.clips), (place, 100 * share), **label)
    axes.errorbar(
        place,
        100 * share,
        yerr=[[100 * max(0.0, share - low)], [100 * max(0.0, high - share)]],
        fmt=MARKERS[number % len(MARKERS)],
        color=colour,
        markerfacecolor="white" if result.partial else colour,
        capsize=3,
        label=point.name,
    )


def _by_dataset(points: Iterable[Point]) -> dict[str, list[Point]]:
    rows: dict[str, list[Point]] = {}
    for point in points:
        rows.setdefault(point.result.dataset or "unnamed dataset", []).append(point)
    return rows


def _rows(points: Sequence[Point]) -> Iterator[tuple[Any, ...]]:
    for dataset, found in _by_dataset(points).items():
        fronts = [front(found, cost) for cost in COSTS]
        for point in found:
            result = point.result
            yield (
                dataset,
                result.model,
                result.init or "",
                result.clips,
                result.accuracy,
                *result.interval,
                int(result.partial),
                point.parameters,
                "" if point.latency is None else point.latency,
                *(int(point in each) for each in fronts),
            )
