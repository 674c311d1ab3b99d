"""Label maps: class names in the order of the logits."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from asclf.errors import DataError

if TYPE_CHECKING:
    from asclf.data.manifest import Clip


@dataclass(frozen=True)
class LabelMap:
    """The names of the classes; a class's index is its place among them.

    Raises:
        DataError: There is no name, or one occurs twice.
    """

    names: tuple[str, ...]

    def __post_init__(self) -> None:
        if not self.names:
            raise DataError("a label map without a label", expected="one name for each class")
        twice = sorted({name for name in self.names if self.names.count(name) > 1})
        if twice:
            raise DataError(f"the label {twice[0]!r} occurs twice", expected="every label once")

    @classmethod
    def from_clips(cls, clips: Iterable[Clip]) -> LabelMap:
        """The labels that the clips have, in alphabetical order."""
        return cls(tuple(sorted({label for clip in clips for label in clip.labels})))

    def __len__(self) -> int:
        return len(self.names)

    def index(self, name: str, where: object = None) -> int:
        """Returns the index of a label.

        Raises:
            DataError: No such label; the message has `where` and the nearest name.
        """
        found = self._indices.get(name)
        if found is None:
            near = difflib.get_close_matches(name, self.names, n=1)
            raise DataError(
                f"the label {name!r} is not one of the {len(self)} labels",
                where=where,
                hint=f"did you mean {near[0]!r}?" if near else f"known: {', '.join(self.names)}",
            )
        return found

    @cached_property
    def _indices(self) -> Mapping[str, int]:
        return {name: index for index, name in enumerate(self.names)}
