"""The processes that train together, as one of them sees them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")


class Peers:
    """A process that trains alone: what it agrees on with others costs nothing.

    Attributes:
        rank: This process among them, from 0; rank 0 writes all files and talks to the user.
        world_size: How many they are.
    """

    rank: int = 0
    world_size: int = 1

    @property
    def leads(self) -> bool:
        """Whether this is the process that writes."""
        return self.rank == 0

    def totals(self, values: Sequence[float]) -> list[float]:
        """Sums over all processes, the same everywhere; a collective."""
        return list(values)

    def agree(self, value: T) -> T:
        """What rank 0 says, for every process; a collective."""
        return value
