"""Whether a relevance map means something: deletion and insertion.

Petsiuk, Das and Saenko, "RISE: Randomized input sampling for explanation of black-box models",
BMVC 2018. Cells are taken from the clip (deletion), or given to an empty one (insertion), the most
relevant first, and the probability of the class is watched. Where the map is right it falls soon,
and rises soon; a random order of the same cells tells what any map would reach.

A cell is a block of frames and bins, for relevance is smooth and noise on single values would make
random orders worse than they are. What is taken away becomes the mean of its bin over time.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from asclf.analysis.figure import Map

CELL_FRAMES = 10
CELL_BINS = 10
STEPS = 20
RANDOM_ORDERS = 10

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
Probability = Callable[[Tensor], FloatArray]
"""Feats (N, T, F) → the probability of the class in each, (N,)."""


@dataclass(frozen=True)
class Faithfulness:
    """What becomes of the probability of a class, in one order of the cells.

    Attributes:
        shares: (L,) share of the cells that were taken or given, from 0 to 1.
        deletion: (L,) probability with so many taken.
        insertion: (L,) probability with so many given.
    """

    shares: FloatArray
    deletion: FloatArray
    insertion: FloatArray

    @property
    def deletion_area(self) -> float:
        """Area under `deletion`; small where the map is right."""
        return _area(self.deletion, self.shares)

    @property
    def insertion_area(self) -> float:
        """Area under `insertion`; large where the map is right."""
        return _area(self.insertion, self.shares)


def by_relevance(probability: Probability, feats: Tensor, relevance: Map) -> Faithfulness:
    """Takes and gives cells in the order of a map.

    Args:
        probability: The network.
        feats: (T, F).
        relevance: (T, F).
    """
    cells = cell_numbers(*relevance.shape)
    sums = np.bincount(cells.ravel(), relevance.ravel())
    means = sums / np.bincount(cells.ravel())
    return follow(probability, feats, cells, np.argsort(-means, kind="stable"))


def at_random(
    probability: Probability, feats: Tensor, draws: int = RANDOM_ORDERS
) -> list[Faithfulness]:
    """Takes and gives cells in random orders, the same ones at every call."""
    cells = cell_numbers(*feats.shape)
    rng = np.random.default_rng(0)
    orders = [rng.permutation(int(cells.max()) + 1) for _ in range(draws)]
    return [follow(probability, feats, cells, order) for order in orders]


def follow(
    probability: Probability, feats: Tensor, cells: IntArray, order: NDArray[Any]
) -> Faithfulness:
    """Takes and gives cells in an order.

    Args:
        probability: The network.
        feats: (T, F).
        cells: (T, F) number of the cell that each value is in.
        order: (N,) numbers of the cells, the first to go first.
    """
    ranks = np.argsort(order)[cells]  # (T, F)
    shares = np.linspace(0, 1, STEPS + 1)
    counts = np.round(shares * len(order))
    chosen = torch.from_numpy(ranks[None] < counts[:, None, None])  # (L, T, F)
    empty = feats.mean(0, keepdim=True)  # (1, F)
    return Faithfulness(
        shares,
        probability(torch.where(chosen, empty, feats)),
        probability(torch.where(chosen, feats, empty)),
    )


def cell_numbers(num_frames: int, num_bins: int) -> IntArray:
    """The number of the cell that each value of a plane is in, (T, F)."""
    rows, columns = np.arange(num_frames) // CELL_FRAMES, np.arange(num_bins) // CELL_BINS
    numbers: IntArray = rows[:, None] * (columns[-1] + 1) + columns
    return numbers


def _area(values: FloatArray, shares: FloatArray) -> float:
    return float(((values[1:] + values[:-1]) / 2 * np.diff(shares)).sum())
