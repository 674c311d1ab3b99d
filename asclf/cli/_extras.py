"""The extras of the installed package, read from its own metadata."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping
from importlib.metadata import requires

REQUIREMENT = re.compile(r"""(?P<package>[\w.-]+).*;.*\bextra == ["'](?P<extra>[\w-]+)["']""")


def extras() -> Mapping[str, tuple[str, ...]]:
    """The packages that each extra brings."""
    found: dict[str, tuple[str, ...]] = defaultdict(tuple)
    for line in requires("asclf") or ():
        match = REQUIREMENT.match(line)
        if match:
            found[match["extra"]] += (match["package"],)
    return dict(found)


def core() -> tuple[str, ...]:
    """The packages that asclf cannot do without."""
    names = (re.match(r"[\w.-]+", line) for line in requires("asclf") or () if ";" not in line)
    return tuple(name[0] for name in names if name)


def extra_of(module: str) -> str | None:
    """The extra that brings a top-level module, where there is one."""
    return next((extra for extra, packages in extras().items() if module in packages), None)
