"""How long clips are, class by class (the SpectroMaskNet paper's Fig. 7)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from asclf.analysis.figure import COLOURS, Drawn, save, write_table
from asclf.analysis.study import Study
from asclf.data.shard_facts import read_facts
from asclf.data.shard_index import ShardIndex
from asclf.score.figures import new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes

ROW_IN = 0.22
MARGIN_IN = 1.1


def draw_durations(study: Study) -> Drawn:
    """Draws range, quartiles and median of each class's clips.

    Raises:
        DataError: The shards are not there.
    """
    clips = read_durations(study.index)
    by_class = group(clips)
    figure = new_figure(6.4, MARGIN_IN + ROW_IN * len(by_class))
    plot(figure.add_subplot(), by_class)
    save(figure, study.out / "durations.png")
    table = write_table(study.out / "durations.csv", ("clip_id", "label", "duration_s"), clips)
    return Drawn("durations", "Durations of clips by class", summary(clips), (table,))


def read_durations(index: ShardIndex) -> list[tuple[str, str, float]]:
    """The clip_id, label and seconds of each clip; of several labels, a line for each."""
    return [
        (facts.clip_id, label, facts.samples / index.sample_rate)
        for shard in index.shards
        for facts in read_facts(index, shard)
        for label in facts.labels
    ]


def group(clips: Sequence[tuple[str, str, float]]) -> dict[str, list[float]]:
    """Seconds by class, the class of the shortest clips first."""
    by_class: dict[str, list[float]] = defaultdict(list)
    for _, label, duration_s in clips:
        by_class[label].append(duration_s)
    return dict(sorted(by_class.items(), key=lambda item: (float(np.median(item[1])), item[0])))


def plot(axes: Axes, by_class: Mapping[str, Sequence[float]]) -> None:
    """Draws a row for each class."""
    shares = [np.quantile(found, (0, 0.25, 0.5, 0.75, 1)) for found in by_class.values()]
    low, first, middle, third, high = np.array(shares).T
    places = np.arange(len(by_class))
    axes.hlines(places, low, high, color=COLOURS[0], linewidth=1, label="all clips")
    axes.hlines(places, first, third, color=COLOURS[0], linewidth=6, alpha=0.5, label="middle half")
    axes.plot(middle, places, "o", color="black", markersize=4, label="median")
    names = [f"{name.replace('_', ' ')} ({len(found)})" for name, found in by_class.items()]
    axes.set_yticks(places, names, fontsize=8)
    axes.set(xlabel="duration (s)", xlim=(0, 1.05 * high.max()), ylim=(-0.7, len(by_class) - 0.3))
    axes.grid(axis="x", color="0.92")
    axes.figure.legend(loc="outside upper right", ncols=3, fontsize=8, frameon=False)


def summary(clips: Sequence[tuple[str, str, float]]) -> str:
    """The figure in words."""
    seconds = [duration_s for _, _, duration_s in clips]
    if max(seconds) - min(seconds) < 0.001:
        return f"Every clip is {seconds[0]:.3g} s long."
    return (
        f"Clips are {min(seconds):.3g} to {max(seconds):.3g} s long, half of them shorter than "
        f"{np.median(seconds):.3g} s. Numbers in brackets count clips."
    )
