"""What the benchmarks share: interleaved timing, and a table on the screen and in a JSON file."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timezone
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from time import perf_counter
from typing import Any

from rich.console import Console
from rich.table import Table


def interleave(cases: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, list[float]]:
    """Times every case once a round, so that a slow spell of the machine falls on all of them.

    Args:
        cases: What to call, by name; each is called once before the first round to warm up.
        rounds: Timed calls of each case.

    Returns:
        Seconds of each timed call, by name, in the order of the rounds.
    """
    for call in cases.values():
        call()
    seconds: dict[str, list[float]] = {name: [] for name in cases}
    for _ in range(rounds):
        for name, call in cases.items():
            start = perf_counter()
            call()
            seconds[name].append(perf_counter() - start)
    return seconds


def report(title: str, rows: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Prints `rows` as a table and writes them, with the machine they are true of, as JSON.

    Args:
        title: Heading of the table; says what is measured and in which unit.
        rows: One mapping a line, all with the same keys, which head the columns.
        path: JSON file to write; its folder is made where it is missing.
    """
    table = Table(title=title)
    for i, column in enumerate(rows[0]):
        table.add_column(column, justify="right" if i else "left", overflow="fold")
    for row in rows:
        table.add_row(*(_text(value) for value in row.values()))
    Console().print(table)
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps({"title": title, "machine": machine(), "rows": list(rows)}, indent=2)
    path.write_text(text + "\n", encoding="utf-8")


def machine() -> dict[str, Any]:
    """The machine and the versions that figures belong to, and when they were measured."""
    return {
        "cpu": _cpu_model(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "torch": _version("torch"),
        "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
    }


def _cpu_model() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _text(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)
