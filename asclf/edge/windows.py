"""Long recordings as overlapping windows, and the scores of windows as scores over time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]
FloatArray = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Window:
    """A stretch of a recording that is classified as a clip: samples (S,) from `start` on."""

    start: int
    samples: Array

    @property
    def end(self) -> int:
        """The sample after its last."""
        return self.start + len(self.samples)


@dataclass(frozen=True, eq=False)
class Segment:
    """The scores (C,) of a stretch of a recording, from `start` up to, and without, `end`."""

    start: int
    end: int
    scores: FloatArray


def cut_windows(blocks: Iterable[Array], length: int, hop: int) -> Iterator[Window]:
    """Cuts a recording into windows of `length` samples, a new one every `hop` ≤ `length`.

    The last one ends where the recording does, and so may begin less than a hop after the one
    before. A recording that is shorter than a window is one window, unpadded.

    Args:
        blocks: The recording, block after block (S,); no more than a window and a block is held.
        length: Of a window, in samples.
        hop: From one window's start to the next one's, in samples.
    """
    held, begin, start = np.zeros(0, np.float32), 0, 0  # held[0] is the sample `begin`
    for block in blocks:
        held = np.concatenate([held, block])
        while start + length <= begin + len(held):
            yield Window(start, held[start - begin :][:length])
            start += hop
        spare = max(0, len(held) - length)  # the last window may yet need all the rest
        held, begin = held[spare:], begin + spare
    end = begin + len(held)
    if not start or start - hop + length < end:
        yield Window(begin, held)


def average_overlaps(scored: Iterable[tuple[Window, FloatArray]], hop: int) -> Iterator[Segment]:
    """Turns the scores of windows into scores of segments of one hop.

    A segment's score is the mean of those of the windows over it, each weighed by how much of the
    segment it covers. A segment is given out as soon as no window can reach it any more.

    Args:
        scored: Windows in the order of their starts, each with its scores (C,).
        hop: Length of a segment in samples; the last one ends with the recording.
    """
    first, end = 0, 0  # number of the first open segment; end of what has been heard
    sums: list[FloatArray] = []
    weights: list[float] = []
    for window, scores in scored:
        while (first + 1) * hop <= window.start:
            yield Segment(first * hop, (first + 1) * hop, sums.pop(0) / weights.pop(0))
            first += 1
        end = window.end
        for place in range(-(-end // hop) - first):
            if place == len(sums):
                sums.append(np.zeros_like(scores))
                weights.append(0.0)
            covered = _overlap(window, (first + place) * hop, hop)
            sums[place] += covered * scores
            weights[place] += covered
    for place, (total, weight) in enumerate(zip(sums, weights, strict=True), first):
        yield Segment(place * hop, min((place + 1) * hop, end), total / weight)


def _overlap(window: Window, start: int, length: int) -> int:
    return max(0, min(window.end, start + length) - max(window.start, start))
