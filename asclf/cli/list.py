"""Lists the components that a configuration can name, those of installed plugins included.

For backbones: parameters with a linear head for 50 classes, multiply-accumulates (MACs) for 5 s of
sound, both on the bins that it usually gets (80 for most), and the paper.

Examples:
  asclf list
  asclf list backbones
  asclf list --json backbones
"""

from __future__ import annotations

import json
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Mapping
from typing import Any

from asclf.cli._parser import nearest
from asclf.registry import REGISTRIES, Registry

Row = Mapping[str, Any]


def add_arguments(parser: ArgumentParser) -> None:
    """Declares the arguments."""
    parser.add_argument(
        "kind", nargs="?", type=_kind, metavar="KIND", help=f"one of {', '.join(REGISTRIES)}"
    )
    parser.add_argument("--json", action="store_true", help="print JSON: a list of each kind")


def _kind(text: str) -> str:
    if text not in REGISTRIES:
        known = f"one of {', '.join(REGISTRIES)}"
        raise ArgumentTypeError(f"unknown kind {text!r}; {nearest(text, REGISTRIES) or known}")
    return text


def run(options: Namespace) -> int:
    """Runs the verb."""
    kinds = [options.kind] if options.kind else list(REGISTRIES)
    found = {
        kind: [_row(REGISTRIES[kind], name) for name in REGISTRIES[kind].names()] for kind in kinds
    }
    if options.json:
        print(json.dumps(found, indent=2, ensure_ascii=False))
    else:
        for kind, rows in found.items():
            _show(kind, rows)
    return 0


def _row(registry: Registry, name: str) -> Row:
    """What there is to say about a component; a broken plugin is a row with its error."""
    try:
        entry = registry.get(name)
        about = (entry.factory.__doc__ or "").strip().partition("\n")[0]
        row = {"name": name, "about": about}
        return {**row, **_cost(name)} if registry is REGISTRIES["backbones"] else row
    except Exception as error:  # whatever a plugin raises is one row of the list, not its end
        return {"name": name, "error": str(error)}


def _cost(name: str) -> Row:
    from asclf.complexity import complexity_of_backbone

    cost = complexity_of_backbone(name)
    paper = getattr(REGISTRIES["backbones"].get(name).factory, "paper", "")
    return {"parameters": cost.parameters, "macs": cost.macs, "paper": paper}


def _show(kind: str, rows: list[Row]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(title=kind, title_justify="left", box=None, pad_edge=False)
    table.add_column("name", no_wrap=True)
    if kind == "backbones":
        table.add_column("parameters", justify="right", no_wrap=True)
        table.add_column("MACs", justify="right", no_wrap=True)
        table.add_column("paper")
    else:
        table.add_column("about")
    for row in rows:
        table.add_row(*_cells(kind, row))
    Console().print(table, "")


def _cells(kind: str, row: Row) -> tuple[str, ...]:
    if "error" in row:
        return (row["name"], *([""] * 2 if kind == "backbones" else []), row["error"])
    if kind == "backbones":
        return row["name"], f"{row['parameters']:,}", f"{row['macs'] / 1e6:,.0f} M", row["paper"]
    return row["name"], row["about"]
