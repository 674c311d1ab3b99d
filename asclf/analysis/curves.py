"""What a backbone was watched for while it trained: λ, and the ratio and size of a learned mask."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from asclf.analysis.figure import Drawn, line_look, save, write_table
from asclf.analysis.study import Study
from asclf.errors import DataError
from asclf.score.figures import new_figure
from asclf.train.folder import RunFolder

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Curve = Sequence[tuple[float, float]]
"""Epochs since the start, whole or not, and the value then."""
HEADER = ("run", "what", "epoch", "value")
PAPER = {"mask_ratio": 0.5, "mask_block_size": 10.0}
"""Where the SpectroMaskNet paper says that learned masks end (Fig. 10)."""


def draw_lambda(study: Study) -> Drawn:
    """Draws λ over training, a line for each run (the paper's Fig. 5).

    Raises:
        DataError: No run has logged one.
    """
    curves = read_curves(study.exp, "lambda")
    figure = new_figure(6.4, 3.4)
    axes = figure.add_subplot()
    plot(axes, curves)
    axes.axhline(0.5, color="0.5", linewidth=0.8)
    axes.set(xlabel="epoch", ylabel="λ, weight of the global branch")
    axes.legend(fontsize=8, frameon=False)
    save(figure, study.out / "lambda.png")
    table = write_table(study.out / "lambda.csv", HEADER, rows("lambda", curves))
    text = (
        "Above 0.5 the global branch counts for more than the local one. "
        f"From the first line of the log to the last: {ends(curves)}."
    )
    return Drawn("lambda", "λ over training", text, (table,))


def draw_masks(study: Study) -> Drawn:
    """Draws ratio and block size of a learned mask over training (the paper's Fig. 10).

    Raises:
        DataError: No run has logged them: its mask is fixed, or it has none.
    """
    curves = {key: read_curves(study.exp, key) for key in PAPER}
    figure = new_figure(6.4, 4.8)
    upper, lower = figure.subplots(2, 1, sharex=True)
    for axes, (key, of_runs) in zip((upper, lower), curves.items(), strict=True):
        plot(axes, of_runs)
        axes.axhline(PAPER[key], color="0.5", linewidth=0.8, label="end in the paper")
    upper.set(ylabel="masked part of the plane")
    upper.legend(fontsize=8, frameon=False)
    lower.set(xlabel="epoch", ylabel="side of a block (frames, bins)")
    save(figure, study.out / "masks.png")
    lines = [row for key, of_runs in curves.items() for row in rows(key, of_runs)]
    table = write_table(study.out / "masks.csv", HEADER, lines)
    ratio, size = map(ends, curves.values())
    text = f"From the first line of the log to the last: ratio {ratio}; block size {size}."
    return Drawn("masks", "Ratio and block size of the learned mask", text, (table,))


def read_curves(exp: Path, key: str) -> dict[str, Curve]:
    """What the runs of an experiment logged under a name, by run; unfinished ones too.

    Raises:
        DataError: None of them logged it.
    """
    folders = sorted(
        (path.parent for path in exp.glob("*/metrics.jsonl")), key=lambda p: (len(p.name), p.name)
    )
    curves = {folder.name: read_curve(RunFolder(folder), key) for folder in folders}
    found = {name: curve for name, curve in curves.items() if curve}
    if not found:
        raise DataError(f"no run of it has logged `{key}`", where=exp)
    return found


def read_curve(folder: RunFolder, key: str) -> Curve:
    """What one run logged: a value for each step where it has them, else for each epoch."""
    steps = [step for step in _lines(folder.steps) if key in step]
    if not steps:
        return [(line["epoch"], line[key]) for line in folder.read_metrics() if key in line]
    longest = max(Counter(step["epoch"] for step in steps).values())
    done: Counter[int] = Counter()
    curve = []
    for step in steps:
        done[step["epoch"]] += 1
        curve.append((step["epoch"] - 1 + done[step["epoch"]] / longest, step[key]))
    return curve


def plot(axes: Axes, curves: Mapping[str, Curve]) -> None:
    """Draws a line for each run."""
    for number, (run, curve) in enumerate(curves.items()):
        marker = "o" if len(curve) == 1 else None
        axes.plot(*zip(*curve, strict=True), label=run, marker=marker, **line_look(number))
    axes.grid(color="0.92")
    axes.set_axisbelow(True)


def rows(key: str, curves: Mapping[str, Curve]) -> Iterator[tuple[str, str, float, float]]:
    """The lines of the CSV file."""
    for run, curve in curves.items():
        for epoch, value in curve:
            yield run, key, float(epoch), value


def ends(curves: Mapping[str, Curve]) -> str:
    """Where each line begins and ends, in words."""
    return ", ".join(f"{run} {of[0][1]:.3g} → {of[-1][1]:.3g}" for run, of in curves.items())


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    """The lines of a log; a last one that is half-written is left out."""
    if path.exists():
        for line in path.read_bytes().splitlines(keepends=True):
            if line.endswith(b"\n"):
                yield json.loads(line)
