"""The few pieces of Markdown that reports are made of."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A table; `|` and line breaks in its cells are made harmless."""
    lines = [_row(header), _row(["---"] * len(header)), *map(_row, rows)]
    return "\n".join(lines)


def section(title: str, text: str, level: int = 2) -> str:
    """A heading with its text."""
    return f"{'#' * level} {title}\n\n{text}\n"


def code(text: str) -> str:
    """A block of shell code."""
    return f"```bash\n{text}\n```"


def _row(cells: Sequence[object]) -> str:
    safe = (str(cell).replace("|", "\\|").replace("\n", " ") for cell in cells)
    return f"| {' | '.join(safe)} |"
