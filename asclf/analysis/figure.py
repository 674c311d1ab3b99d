"""What a figure is made of: colours that everyone can tell apart, axes, and numbers as CSV.

Colours are those of Okabe and Ito (Color Universal Design, 2008). Lines differ in their strokes and
points in their shapes as well, so that nothing is lost in a grey print.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from asclf.errors import MissingExtraError
from asclf.files import whole_file, write_whole

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.image import AxesImage

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
STROKES = ("-", "--", "-.", ":")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*", "<", ">", "h")

DPI = 130

FREQUENCY_AXES = {
    "fbank": "mel bin",
    "mel_spectrogram": "mel bin",
    "efficientat_mel": "mel bin",
    "spectrogram": "frequency (Hz)",
    "mfcc": "coefficient",
}

Map = NDArray[np.float32]
"""Values over the time–frequency plane, (T, F)."""


@dataclass(frozen=True)
class Drawn:
    """A figure that was drawn.

    Attributes:
        name: Its picture is `name.png`.
        title: What it is, in a few words.
        text: What it shows, with the numbers that matter.
        tables: Names of its CSV files.
    """

    name: str
    title: str
    text: str
    tables: tuple[str, ...]


def save(figure: Figure, path: Path) -> None:
    """Writes a picture as PNG with a palette, a third as large as one without; whole or not at all.

    Raises:
        MissingExtraError: matplotlib is not installed, which brings Pillow (extra `plots`).
    """
    try:
        from PIL import Image
    except ModuleNotFoundError as error:
        raise MissingExtraError("pillow", "plots") from error
    drawn = io.BytesIO()
    figure.savefig(drawn, format="png", dpi=DPI)
    with whole_file(path) as part:
        Image.open(drawn).convert("RGB").quantize(256, kmeans=3).save(
            part, format="png", optimize=True
        )


def write_table(path: Path, header: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """Writes a CSV file; numbers get six digits. Returns the file's name."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows([_shown(cell) for cell in row] for row in rows)
    write_whole(path, text.getvalue())
    return path.name


def write_map(path: Path, values: NDArray[Any], duration_s: float) -> str:
    """Writes values (T, F) as CSV, a line for each frame and a column for each bin."""
    times = frame_times(len(values), duration_s)
    header = ("time_s", *(f"bin_{number}" for number in range(values.shape[1])))
    rows = ((time, *row) for time, row in zip(times, values.tolist(), strict=True))
    return write_table(path, header, rows)


def line_look(number: int) -> dict[str, Any]:
    """How the n-th line of a picture is drawn, from 0."""
    colour, stroke = COLOURS[number % len(COLOURS)], STROKES[number % len(STROKES)]
    return {"color": colour, "linestyle": stroke, "linewidth": 1.5}


def frame_times(num_frames: int, duration_s: float) -> list[float]:
    """The middles of frames that share a clip evenly, in seconds."""
    return [(number + 0.5) * duration_s / num_frames for number in range(num_frames)]


def show_map(
    axes: Axes, values: NDArray[Any], duration_s: float, *, top: float | None = None, **look: Any
) -> AxesImage:
    """Draws values (T, F) over seconds and bins.

    Args:
        axes: Where.
        values: (T, F).
        duration_s: Length of the clip.
        top: Upper end of the vertical axis, in its unit; `None` counts bins.
        look: Passed on to matplotlib.
    """
    height = values.shape[1] if top is None else top
    extent = (0.0, duration_s, 0.0, height)
    return axes.imshow(values.T, origin="lower", aspect="auto", extent=extent, **look)


def _shown(cell: Any) -> Any:
    return f"{cell:.6g}" if isinstance(cell, float) else cell
