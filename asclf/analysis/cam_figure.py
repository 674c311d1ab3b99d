"""The picture of where a network looks: Grad-CAM over the clip, attention, deletion, insertion."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from asclf.analysis.cam import TOGETHER, Look, look, write_tables
from asclf.analysis.figure import (
    COLOURS,
    FREQUENCY_AXES,
    Drawn,
    Map,
    frame_times,
    line_look,
    save,
    show_map,
)
from asclf.analysis.study import Study
from asclf.score.figures import new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Paint = Callable[["Axes"], None]
ROW_IN = 1.75
WIDTH_IN = 10.5
SMALL: dict[str, Any] = {"fontsize": 7, "frameon": False}


def draw_cam(study: Study) -> Drawn:
    """Draws Grad-CAM of each part of the network over the clip, and what the picture is worth.

    Raises:
        DataError: There is no clip, or the network has no feature maps of time and frequency.
    """
    found = look(study.run.checkpoint, study.subject)
    rows = max(map(len, _panels(found)))
    figure = new_figure(WIDTH_IN, 0.5 + ROW_IN * rows)
    draw(found, figure)
    save(figure, study.out / "cam.png")
    title = "Where the network looks: Grad-CAM, attention, deletion and insertion"
    return Drawn("cam", title, describe(found), write_tables(found, study))


def draw(found: Look, figure: Figure) -> None:
    """Draws maps on the left, curves on the right."""
    figure.suptitle(heading(found), fontsize=10, x=0.01, ha="left")
    left, right = _panels(found)
    over_time, curves = figure.subfigures(1, 2, width_ratios=(5, 3), squeeze=False)[0]
    panels = over_time.subplots(len(left), 1, sharex=True)
    for axes, paint in zip(panels, left, strict=True):
        paint(axes)
    panels[-1].set_xlabel("time (s)")
    beside = curves.subplots(len(right), 1)
    for axes, paint in zip(beside, right, strict=True):
        paint(axes)
    handles, names = beside[0].get_legend_handles_labels()
    curves.legend(handles, names, loc="outside upper left", ncols=3, **SMALL)


def _panels(found: Look) -> tuple[list[Paint], list[Paint]]:
    """What is drawn on the left, over time, and on the right, from top to bottom."""
    left: list[Paint] = [partial(_draw_clip, found=found)]
    left += [partial(_draw_relevance, found=found, name=name) for name in _parts(found)]
    right: list[Paint] = [
        partial(_draw_curves, found=found, kind="deletion"),
        partial(_draw_curves, found=found, kind="insertion"),
    ]
    if found.attention:
        left.append(partial(_draw_temporal, found=found))
        right += [partial(_draw_frequency, found=found), partial(_draw_channel, found=found)]
    return left, right


def heading(found: Look) -> str:
    """The clip, and what the network says of it."""
    predicted = found.predicted.replace("_", " ")
    return f"{found.clip.title}: the network says {predicted}, p = {found.probability:.2f}"


def describe(found: Look) -> str:
    """The figure in words."""
    areas = [
        f"{order} {each.deletion_area:.3f} and {each.insertion_area:.3f}"
        for order, each in found.faithfulness.items()
    ]
    deletion = [each.deletion_area for each in found.random]
    insertion = [each.insertion_area for each in found.random]
    return (
        f"{heading(found)}. Colour marks what speaks for that class. Areas under its probability "
        f"while cells are taken, the most relevant first (less is better), and given (more is "
        f"better): {'; '.join(areas)}; in {len(deletion)} random orders {np.mean(deletion):.3f} "
        f"({min(deletion):.3f} to {max(deletion):.3f}) and {np.mean(insertion):.3f} "
        f"({min(insertion):.3f} to {max(insertion):.3f})."
    )


def _parts(found: Look) -> list[str]:
    """The parts of the network; their sum is in the curves alone."""
    return [name for name in found.relevance if name != TOGETHER]


def _draw_clip(axes: Axes, found: Look) -> None:
    show_map(axes, found.feats, found.clip.duration_s, cmap="Greys")
    axes.set_ylabel(FREQUENCY_AXES.get(found.feature, "bin"))
    axes.set_title(found.feature, fontsize=9, loc="left")


def _draw_relevance(axes: Axes, found: Look, name: str) -> None:
    show_map(axes, found.feats, found.clip.duration_s, cmap="Greys", alpha=0.6)
    seconds, relevance = found.clip.duration_s, rectified(found.relevance[name])
    show_map(axes, relevance, seconds, cmap="YlOrRd", alpha=0.75 * relevance.T, vmin=0, vmax=1)
    if relevance.any():
        extent = (0.0, seconds, 0.0, relevance.shape[1])
        axes.contour(relevance.T, levels=[0.5], extent=extent, colors=COLOURS[0], linewidths=1.2)
    axes.set_ylabel(FREQUENCY_AXES.get(found.feature, "bin"))
    part = "the network" if name == "network" else f"the {name} branch"
    axes.set_title(f"Grad-CAM of {part}; line: half its maximum", fontsize=9, loc="left")


def rectified(relevance: Map) -> Map:
    """What speaks for the class, its maximum 1; zero everywhere where nothing does."""
    positive = np.maximum(relevance, 0)
    most = float(positive.max())
    return np.float32(1 / most) * positive if most > 0 else positive


def _draw_curves(axes: Axes, found: Look, kind: Literal["deletion", "insertion"]) -> None:
    curves = np.array([getattr(each, kind) for each in found.random])  # (draws, L)
    shares = 100 * found.random[0].shares
    axes.fill_between(shares, curves.min(0), curves.max(0), color="0.85", label="random, all")
    axes.plot(shares, curves.mean(0), color="0.4", linewidth=1, label="random, mean")
    for number, (order, each) in enumerate(found.faithfulness.items()):
        axes.plot(shares, getattr(each, kind), label=order, **line_look(number))
    word = "taken" if kind == "deletion" else "given"
    axes.set(xlim=(0, 100), ylim=(0, 1.03), xlabel=f"cells {word} (%)")
    axes.set_ylabel("probability")
    axes.set_title(kind, fontsize=9, loc="left")


def _draw_temporal(axes: Axes, found: Look) -> None:
    for number, each in enumerate(found.attention):
        times = frame_times(len(each.temporal), found.clip.duration_s)
        axes.plot(times, each.temporal, label=each.module, **line_look(number))
    axes.set_ylabel("weight")
    axes.set_title("attention over time, A_t", fontsize=9, loc="left")
    axes.legend(ncols=2, **SMALL)


def _draw_frequency(axes: Axes, found: Look) -> None:
    bins = found.feats.shape[1]
    for number, each in enumerate(found.attention):
        places = (np.arange(len(each.frequency)) + 0.5) * bins / len(each.frequency)
        axes.plot(places, each.frequency, **line_look(number))
    unit = FREQUENCY_AXES.get(found.feature, "bin")
    axes.set(xlabel=unit, ylabel="weight", xlim=(0, bins))
    axes.set_title("attention over frequency, A_f", fontsize=9, loc="left")


def _draw_channel(axes: Axes, found: Look) -> None:
    for number, each in enumerate(found.attention):
        shares = np.linspace(0, 100, len(each.channel))
        axes.plot(shares, np.sort(each.channel), **line_look(number))
    axes.set(xlabel="channels, sorted (%)", ylabel="weight", xlim=(0, 100))
    axes.set_title("attention over channels, A_c", fontsize=9, loc="left")
