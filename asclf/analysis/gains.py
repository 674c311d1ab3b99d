"""Whether relevance maps mean something, over many clips: one clip alone proves nothing."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from asclf.analysis.cam import Look, look
from asclf.analysis.figure import COLOURS, MARKERS, Drawn, save, write_table
from asclf.analysis.study import Study
from asclf.errors import DataError
from asclf.score.figures import new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes

RANDOM_ORDERS = 3
HEADER = ("clip_id", "predicted", "order", "deletion_gain", "insertion_gain")


@dataclass(frozen=True)
class Gain:
    """How much better than random orders a map orders the cells of a clip; above 0 is better.

    Attributes:
        deletion: Mean deletion area of random orders minus that of the map.
        insertion: Insertion area of the map minus the mean of random orders.
    """

    deletion: float
    insertion: float


def draw_relevance(study: Study) -> Drawn:
    """Draws the gains of each part of the network, a point for each clip.

    Raises:
        DataError: No number of clips was named, or the network has no feature maps.
    """
    if not study.clips:
        raise DataError("it needs --clips")
    checkpoint = study.run.checkpoint
    looks = [look(checkpoint, clip, RANDOM_ORDERS) for clip in study.unseen()]
    by_part = gains(looks)
    figure = new_figure(6.4, 1.4 + 0.6 * len(by_part))
    panels = figure.subplots(1, 2, sharey=True)
    for axes, kind in zip(panels, ("deletion", "insertion"), strict=True):
        plot(axes, {part: [getattr(g, kind) for g in found] for part, found in by_part.items()})
        axes.set_title(kind, fontsize=10, loc="left")
    save(figure, study.out / "relevance.png")
    table = write_table(study.out / "relevance.csv", HEADER, _rows(looks))
    return Drawn("relevance", "Relevance maps against random ones", describe(by_part), (table,))


def gains(looks: Sequence[Look]) -> dict[str, list[Gain]]:
    """The gain of each part of the network on each clip."""
    by_part = defaultdict(list)
    for found in looks:
        deletion = np.mean([each.deletion_area for each in found.random])
        insertion = np.mean([each.insertion_area for each in found.random])
        for part, each in found.faithfulness.items():
            gain = Gain(
                float(deletion - each.deletion_area), float(each.insertion_area - insertion)
            )
            by_part[part].append(gain)
    return dict(by_part)


def plot(axes: Axes, values: Mapping[str, Sequence[float]]) -> None:
    """Draws a row of points for each part, and their mean."""
    axes.axvline(0, color="0.5", linewidth=0.8)
    for row, found in enumerate(values.values()):
        spread = np.linspace(-0.2, 0.2, len(found))
        look = {"color": COLOURS[row], "marker": MARKERS[row]}
        axes.scatter(found, row + spread, s=14, alpha=0.7, linewidths=0, **look)  # type: ignore[arg-type]
        axes.plot([np.mean(found)] * 2, [row - 0.35, row + 0.35], color="black", linewidth=2)
    axes.set_yticks(range(len(values)), list(values))
    axes.set(xlabel="gain over random orders", ylim=(len(values) - 0.5, -0.5))


def describe(by_part: Mapping[str, Sequence[Gain]]) -> str:
    """The figure in words."""
    count = len(next(iter(by_part.values())))
    parts = "; ".join(f"{part}: {_in_words(found)}" for part, found in by_part.items())
    return (
        f"How much better than random orders each map orders the cells of {count} clips that the "
        "run never saw, by the area under the probability of the class. Right of 0 a map knows "
        f"more than chance; bars are means. {parts}."
    )


def _in_words(found: Sequence[Gain]) -> str:
    words = []
    for kind in ("deletion", "insertion"):
        values = [getattr(gain, kind) for gain in found]
        better = sum(value > 0 for value in values)
        words.append(f"{kind} {np.mean(values):+.3f}, better on {better} of {len(values)}")
    return ", ".join(words)


def _rows(looks: Sequence[Look]) -> Iterator[tuple[str, str, str, float, float]]:
    for found in looks:
        for part, (gain,) in gains([found]).items():
            yield found.clip.name, found.predicted, part, gain.deletion, gain.insertion
