"""Folds dealt at random, as if no two clips came from one recording.

Much of the literature splits so. The clips of ESC-50 and UrbanSound8K are cut from fewer
recordings, and parts of one then lie on both sides: what is measured is in part how well a network
knows a recording again. Shards of such folds are marked, and so is every score made with them.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Sequence
from dataclasses import replace

import pydantic.dataclasses
from pydantic import NonNegativeInt, PositiveInt

from asclf.config.component import STRICT
from asclf.data.manifest import Clip
from asclf.data.seeds import place_seed


@pydantic.dataclasses.dataclass(frozen=True, config=STRICT)
class Dealing:
    """Clips dealt at random to folds of equal size.

    Attributes:
        folds: How many; they are numbered from 1.
        seed: Another one deals otherwise.
    """

    folds: PositiveInt
    seed: NonNegativeInt = 0

    def deal(self, clips: Sequence[Clip]) -> list[Clip]:
        """The clips in their order, each in its new fold and in no split, whatever its source.

        Which fold it comes to depends on the clips' ids alone.
        """
        order = sorted(clip.clip_id for clip in clips)
        random.Random(place_seed(self.seed, "folds")).shuffle(order)
        fold_of = {clip_id: place % self.folds + 1 for place, clip_id in enumerate(order)}
        return [replace(clip, fold=fold_of[clip.clip_id], split=None) for clip in clips]

    def hash_with(self, manifest_hash: str) -> str:
        """What stands for a manifest whose clips were dealt so; SHA-256 in hexadecimal."""
        return hashlib.sha256(f"{manifest_hash} {self}".encode()).hexdigest()
