"""What importing needs to know of another project's checkpoints."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor

Translate = Callable[[Mapping[str, Tensor]], dict[str, Tensor]]


@dataclass(frozen=True)
class Source:
    """The checkpoints of one project for one family of backbones.

    Attributes:
        project: Its name, for messages.
        translate: Its weights by its names → the same by the names of our classifier, `backbone.…`
            and `head.…`. A name that it does not know stays as it is, and what has no part in the
            network is left out.
        settings: Sample rate, front end, head and loss that the weights were trained with, and
            options of the backbone, as they would stand in an experiment's file.
    """

    project: str
    translate: Translate
    settings: Mapping[str, Any]


def renamed(name: str, prefixes: Mapping[str, str]) -> str:
    """The name with the first of the prefixes that it has exchanged."""
    for theirs, ours in prefixes.items():
        if name.startswith(theirs):
            return ours + name.removeprefix(theirs)
    return name
