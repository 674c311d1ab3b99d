"""How often each clip occurs in an epoch: a function of (seed, epoch) and of what there is.

Clips are numbered through the shards, sorted by name. A sampler says for each how often it occurs;
in which order they come is the stream's affair.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from asclf.data.seeds import place_seed

UNLABELLED = ""


class Sampler(Protocol):
    """Which clips make up an epoch."""

    def counts(self, epoch: int) -> NDArray[np.int64]:
        """How often each clip occurs, (clips,)."""
        ...


@dataclass(frozen=True)
class Rotation:
    """Every clip once, but for a remainder that moves on by its own length each epoch.

    Attributes:
        clips: How many there are.
        total: How many an epoch takes.
    """

    clips: int
    total: int

    def counts(self, epoch: int) -> NDArray[np.int64]:
        """1 for each clip, 0 for those that are left out."""
        counts = np.ones(self.clips, np.int64)
        left_out = self.clips - self.total
        counts[np.arange(epoch * left_out, (epoch + 1) * left_out) % self.clips] = 0
        return counts


class Balance:
    """Clips of rare classes more often than those of frequent ones, every class equally often.

    A clip is wanted in inverse proportion to the number of clips that have its label; of several
    labels the rarest decides, as in the repeat factors of LVIS (Gupta et al. 2019). Clips without a
    label count as a class. With one label each, every class occurs equally often, to within one
    clip an epoch; a frequent label that comes along with rare ones occurs more often.

    Wants are no whole numbers, so an epoch draws by systematic sampling: the clips, sorted by class
    and shuffled within, lie end to end, each as long as it is wanted, and a comb of `total` teeth
    one apart is laid over them at a random place. Each clip is then hit as often as it is wanted,
    rounded up or down, and in expectation exactly.

    Args:
        labels: Those of each clip.
        total: How many clips an epoch takes.
        seed: The experiment's.
    """

    def __init__(self, labels: Sequence[Sequence[str]], *, total: int, seed: int) -> None:
        sizes = Counter(label for of_clip in labels for label in of_clip or (UNLABELLED,))
        self.rarest = [
            min(of_clip or (UNLABELLED,), key=lambda label: (sizes[label], label))
            for of_clip in labels
        ]
        wanted = np.array([1 / sizes[label] for label in self.rarest])
        self.wanted = wanted * (total / wanted.sum())  # (clips,)
        self.total = total
        self.seed = seed

    def counts(self, epoch: int) -> NDArray[np.int64]:
        """How often the comb hits each clip."""
        draw = random.Random(place_seed(self.seed, "balance", epoch))
        order = list(range(len(self.rarest)))
        draw.shuffle(order)
        order.sort(key=self.rarest.__getitem__)
        teeth = np.ceil(np.cumsum(self.wanted[order]) - draw.random()).astype(np.int64)
        teeth[-1] = self.total  # the sum's rounding apart
        counts = np.zeros(len(order), np.int64)
        counts[order] = np.diff(teeth, prepend=0)
        return counts
