"""Clips that must stay together, and folds that keep them so."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Sequence

import numpy as np
from numpy.typing import NDArray


def join(count: int, pairs: Iterable[tuple[int, int]]) -> list[int]:
    """Joins what is paired, directly or over others.

    Args:
        count: Number of items.
        pairs: Items that belong together.

    Returns:
        The group of each item, which is the smallest item in it.
    """
    parent = list(range(count))

    def root(item: int) -> int:
        while parent[item] != item:
            parent[item] = item = parent[parent[item]]
        return item

    for one, other in pairs:
        first, second = sorted((root(one), root(other)))
        parent[second] = first
    return [root(item) for item in range(count)]


def pairs_of_equal(keys: Sequence[Hashable | None]) -> list[tuple[int, int]]:
    """Each item with the first that has the same key; `None` is like nothing."""
    first: dict[Hashable, int] = {}
    return [
        (first[key], i)
        for i, key in enumerate(keys)
        if key is not None and first.setdefault(key, i) != i
    ]


def deal_folds(groups: Sequence[int], labels: Sequence[str], num_folds: int) -> list[int]:
    """Deals groups to folds so that every fold has its share of every class.

    The largest groups come first, each to the fold that has least of its classes; groups of one
    size come in an order that their numbers fix, but their names do not show.

    Args:
        groups: The group of each item; none is parted.
        labels: The class of each item.
        num_folds: How many folds.

    Returns:
        The fold of each item, from 1.
    """
    names = sorted(set(labels))
    totals = np.array([Counter(labels)[name] for name in names], float)  # (C,)
    sizes = _class_counts(groups, labels, names)
    dealt = np.zeros((num_folds, len(names)))  # (folds, C)
    fold_of: dict[int, int] = {}
    for group in sorted(sizes, key=lambda group: (-sizes[group].sum(), _mixed(group))):
        crowd = dealt @ (sizes[group] / totals)  # (folds,)
        fold = int(np.lexsort((dealt.sum(axis=1), crowd))[0])
        dealt[fold] += sizes[group]
        fold_of[group] = fold + 1
    return [fold_of[group] for group in groups]


def groups_by_class(groups: Sequence[int], labels: Sequence[str]) -> dict[str, int]:
    """How many groups each class has clips in."""
    members: dict[str, set[int]] = defaultdict(set)
    for group, label in zip(groups, labels, strict=True):
        members[label].add(group)
    return {label: len(members[label]) for label in sorted(members)}


def _class_counts(
    groups: Sequence[int], labels: Sequence[str], names: Sequence[str]
) -> dict[int, NDArray[np.float64]]:
    """How many clips of each class each group has, (C,)."""
    column = {name: i for i, name in enumerate(names)}
    counts: dict[int, NDArray[np.float64]] = defaultdict(lambda: np.zeros(len(names)))
    for group, label in zip(groups, labels, strict=True):
        counts[group][column[label]] += 1
    return counts


def _mixed(group: int) -> bytes:
    return hashlib.sha256(str(group).encode()).digest()
