"""Near-duplicates among many recordings, by their fingerprints.

Two copies of one sound have, here and there, a stretch of bits in common to the last one. Sorting
all such stretches brings copies side by side, so the work grows with the hours of sound and not
with the pairs of clips. What lies side by side is then compared as a whole, at the shift of time
that the stretch gives. Each link of a chain of copies is found, not every pair in it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from asclf.data.fingerprint import HOP_S, NUM_BITS, Fingerprint, Words

MOST_ERRORS = 0.35
"""Share of differing bits up to which two stretches are one sound, as in the paper that
`asclf.data.fingerprint` names; unrelated ones differ in 0.5."""
BITS_PER_DRAW = 8
"""Valid bits that count as one independent draw: windows overlap, and so do pairs of bands."""
DEVIATIONS = 6.0
"""Standard deviations below 0.5 that unrelated sounds are allowed to come by chance."""
HALF = NUM_BITS // 2
KEY_STEP = 8
"""Frames between the two halves of a key; their windows do not overlap."""
NEIGHBOURS = 4
"""Places in the sorted order up to which equal keys are paired."""
SCREENED = range(-24, 40, 4)
"""Frames around a common key that are compared before the whole is."""

Indices = NDArray[np.int64]


@dataclass(frozen=True)
class Match:
    """Two recordings with a stretch of one sound.

    Attributes:
        first: Number of the one, the smaller.
        second: Number of the other.
        shift_s: How much later the stretch begins in the first.
        overlap_s: Its length.
        errors: Share of valid bits that differ.
    """

    first: int
    second: int
    shift_s: float
    overlap_s: float
    errors: float


def find_matches(prints: Sequence[Fingerprint]) -> list[Match]:
    """Finds the near-duplicates among recordings: the best match of each pair that has one.

    Clips under half a second, silence and steady tones have too few valid bits to be told apart,
    and match nothing.
    """
    best: dict[tuple[int, int], Match] = {}
    for first, second, shift in _candidates(_Corpus.of(prints)):
        found = compare(prints[first], prints[second], shift)
        if found is None:
            continue
        errors, overlap = found
        match = Match(first, second, shift * HOP_S, overlap * HOP_S, errors)
        known = best.get((first, second))
        if known is None or match.errors < known.errors:
            best[first, second] = match
    return sorted(best.values(), key=lambda match: (match.first, match.second))


def compare(one: Fingerprint, other: Fingerprint, shift: int) -> tuple[float, int] | None:
    """Compares two fingerprints where they overlap: frame t + `shift` of the one, t of the other.

    Returns:
        Share of differing bits and frames of overlap; `None` where these are no one sound.
    """
    start, end = max(0, -shift), min(len(other), len(one) - shift)
    if end <= start:
        return None
    ours, theirs = slice(start + shift, end + shift), slice(start, end)
    valid = one.valid[ours] & other.valid[theirs]
    bits = int(_count_bits(valid).sum())
    errors = int(_count_bits((one.words[ours] ^ other.words[theirs]) & valid).sum())
    is_one = errors <= allowed_errors(bits) * bits and bits > 0
    return (errors / bits, end - start) if is_one else None


def is_comparable(one: Fingerprint) -> bool:
    """Whether a recording has enough valid bits to be found again."""
    return allowed_errors(int(_count_bits(one.valid).sum())) > 0


def allowed_errors(bits: int) -> float:
    """Share of errors up to which so many valid bits are one sound; below 0 for too few bits."""
    draws = max(bits, 1) / BITS_PER_DRAW
    return float(min(MOST_ERRORS, 0.5 - DEVIATIONS * 0.5 / draws**0.5))


@dataclass(frozen=True, eq=False)
class _Corpus:
    """All frames of all recordings in one row."""

    words: Words
    valid: Words
    clip: Indices
    """Number of the recording that each frame is of."""
    start: Indices
    """Where each recording begins in the row, and where the last one ends."""

    @classmethod
    def of(cls, prints: Sequence[Fingerprint]) -> _Corpus:
        lengths = [len(one) for one in prints]
        none = np.empty(0, np.uint32)
        return cls(
            words=np.concatenate([none, *(one.words for one in prints)]),
            valid=np.concatenate([none, *(one.valid for one in prints)]),
            clip=np.repeat(np.arange(len(prints)), lengths),
            start=np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)]),
        )


def _candidates(corpus: _Corpus) -> Iterator[tuple[int, int, int]]:
    """Pairs of recordings (first < second) and shifts that are worth comparing, each once."""
    found = [np.empty((0, 3), np.int64)]
    for low_bit in (0, HALF):  # each half alone, since a copy may lack the bands of the other
        for one, other in _neighbours(corpus, low_bit):
            kept = _screen(corpus, one, other)
            found.append(_as_shifts(corpus, one[kept], other[kept]))
    yield from map(tuple, np.unique(np.concatenate(found), axis=0).tolist())


def _neighbours(corpus: _Corpus, low_bit: int) -> Iterator[tuple[Indices, Indices]]:
    """Frames of different recordings that lie side by side when sorted by their key."""
    keys, frames = _keys(corpus, low_bit)
    order = np.argsort(keys << np.uint64(NUM_BITS) | corpus.words[frames + KEY_STEP // 2])
    keys, frames = keys[order], frames[order]
    for distance in range(1, NEIGHBOURS + 1):
        one, other = frames[:-distance], frames[distance:]
        same = keys[:-distance] == keys[distance:]
        same &= corpus.clip[one] != corpus.clip[other]
        yield one[same], other[same]


def _keys(corpus: _Corpus, low_bit: int) -> tuple[NDArray[np.uint64], Indices]:
    """Keys and their frames, each key once a recording: half the bits here, and 128 ms later."""
    last = len(corpus.words) - KEY_STEP
    frames = np.arange(max(0, last))
    later = frames + KEY_STEP
    half = np.uint32(((1 << HALF) - 1) << low_bit)
    whole = corpus.valid[frames] & corpus.valid[later] & half
    frames = frames[(whole == half) & (corpus.clip[frames] == corpus.clip[later])]
    here = (corpus.words[frames] & half) >> np.uint32(low_bit)
    there = (corpus.words[frames + KEY_STEP] & half) >> np.uint32(low_bit)
    keys = here.astype(np.uint64) << np.uint64(HALF) | there
    by_clip = keys << np.uint64(32) | corpus.clip[frames].astype(np.uint64)
    once = np.unique(by_clip, return_index=True)[1]
    return keys[once], frames[once]


def _screen(corpus: _Corpus, one: Indices, other: Indices) -> NDArray[np.bool_]:
    """Whether the frames around those of a common key agree as well."""
    errors, bits = np.zeros(len(one), np.int64), np.zeros(len(one), np.int64)
    for step in SCREENED:
        inside = _is_inside(corpus, one, step) & _is_inside(corpus, other, step)
        here = np.where(inside, one + step, 0)
        there = np.where(inside, other + step, 0)
        valid = np.where(inside, corpus.valid[here] & corpus.valid[there], 0).astype(np.uint32)
        bits += _count_bits(valid)
        errors += _count_bits((corpus.words[here] ^ corpus.words[there]) & valid)
    agree: NDArray[np.bool_] = errors <= (MOST_ERRORS + 0.05) * bits
    return agree


def _is_inside(corpus: _Corpus, frames: Indices, step: int) -> NDArray[np.bool_]:
    clip, moved = corpus.clip[frames], frames + step
    inside: NDArray[np.bool_] = (corpus.start[clip] <= moved) & (moved < corpus.start[clip + 1])
    return inside


def _as_shifts(corpus: _Corpus, one: Indices, other: Indices) -> Indices:
    """(N, 3): recordings, the smaller number first, and the shift between them in frames."""
    swap = corpus.clip[one] > corpus.clip[other]
    first, second = np.where(swap, other, one), np.where(swap, one, other)
    clips = [corpus.clip[first], corpus.clip[second]]
    shift = (first - corpus.start[clips[0]]) - (second - corpus.start[clips[1]])
    return np.stack([*clips, shift], axis=1)


def _count_bits(words: Words) -> Indices:
    """(N,) how many bits of each word are set."""
    counts: Indices = _BITS_IN[words & 0xFFF] + _BITS_IN[words >> HALF]
    return counts


_BITS_IN = np.array([bin(i).count("1") for i in range(1 << HALF)], dtype=np.int64)
