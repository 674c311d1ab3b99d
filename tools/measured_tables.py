"""Writes the measured tables of the documents from the JSON files that the benchmarks wrote.

    python tools/measured_tables.py

A document names the file between two comments, and what stands between them is replaced:

    <!-- measured: latency.json -->
    <!-- end -->

`<!-- measured: latency.json: model, p50_ms -->` shows these columns alone. Files lie in
docs/measured/; a benchmark writes one with `--json docs/measured/NAME.json`. Nobody types a figure,
and a test fails where a document says something else than its file.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
MEASURED = ROOT / "docs" / "measured"
BLOCK = re.compile(
    r"(<!-- measured: (?P<file>[\w.]+\.json)(?:: (?P<columns>[^\n]+))? -->\n).*?(<!-- end -->)",
    re.DOTALL,
)


def main() -> int:
    """Rewrites every document that has such a table."""
    for path in documents():
        before = path.read_text(encoding="utf-8")
        after = filled(before)
        if after != before:
            path.write_text(after, encoding="utf-8")
            print(f"written: {path.relative_to(ROOT)}")
    return 0


def documents() -> list[Path]:
    """The README and every page of docs/."""
    return [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def filled(text: str) -> str:
    """The text with every measured table as its file says."""
    return BLOCK.sub(_filled_block, text)


def _filled_block(found: re.Match[str]) -> str:
    begin, columns, end = found[1], found["columns"], found[4]
    return begin + _table(MEASURED / found["file"], columns.split(", ") if columns else None) + end


def _table(path: Path, columns: Sequence[str] | None) -> str:
    measured = json.loads(path.read_text(encoding="utf-8"))
    columns = columns or list(measured["rows"][0])
    lines = [columns, ["---", *["---:"] * (len(columns) - 1)]]
    lines += [[_text(row[column]) for column in columns] for row in measured["rows"]]
    table = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    return f"{table}\n\n{_caption(measured)}\n"


def _caption(measured: Mapping[str, Any]) -> str:
    machine = measured["machine"]
    return (
        f"{measured['title']}. {machine['cpu']}, {machine['cores']} cores; torch "
        f"{machine['torch']}, Python {machine['python']}; {machine['date'][:10]}."
    )


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.3g}"
    return f"{value:,}" if isinstance(value, int) else str(value)


if __name__ == "__main__":
    sys.exit(main())
