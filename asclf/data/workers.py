"""Streams made by several processes, collected in turn."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from multiprocessing.context import BaseContext
from typing import Any, TypeVar

import torch
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from asclf.errors import AsclfError, DataError

T = TypeVar("T")
MakeStream = Callable[[int, int], Iterable[T]]
"""Makes the part of worker w among n: items w, w + n, w + 2n, … of the stream."""


def run_in_workers(make: MakeStream[T], num_workers: int) -> Iterator[T]:
    """Yields the items of `make(0, n)`, `make(1, n)`, … in turn, each made in a process of its own.

    Workers are forked where the system forks by default (Linux up to Python 3.13) or can: a spawned
    one would import torch anew, every epoch. Forking is safe for a `make` that computes with one
    thread, touches no accelerator and takes no lock of its parent. Where only spawning is possible,
    `make` must be picklable.

    Args:
        make: The streams; with 0 workers `make(0, 1)` runs in this process.
        num_workers: Number of processes.

    Raises:
        AsclfError: What `make` raised, as it raised it.
        DataError: A worker died.
    """
    if not num_workers:
        yield from make(0, 1)
        return
    loader = DataLoader(
        _Stream(make),
        batch_size=None,
        num_workers=num_workers,
        collate_fn=_as_is,
        worker_init_fn=partial(_end_if_orphaned, os.getpid()),
        multiprocessing_context=_context(),
        generator=torch.Generator(),  # the loader must not draw from the global one
    )
    for item in _unless_dead(loader):
        if isinstance(item, AsclfError):
            raise item
        yield item


class _Stream(IterableDataset[Any]):
    """One worker's part; an error of ours is its last item, as torch would make text of it."""

    def __init__(self, make: MakeStream[Any]) -> None:
        self.make = make

    def __iter__(self) -> Iterator[Any]:
        info = get_worker_info()
        assert info is not None
        try:
            yield from self.make(info.id, info.num_workers)
        except AsclfError as error:
            yield error


def _unless_dead(loader: Iterable[Any]) -> Iterator[Any]:
    try:
        yield from loader
    except RuntimeError as error:
        if "DataLoader worker" not in str(error):
            raise
        raise DataError(
            f"a data worker died: {error}",
            hint="if memory ran out, lower data.num_workers or data.shuffle_buffer",
        ) from error


def _end_if_orphaned(parent: int, _: int) -> None:
    """Ends a worker whose parent was killed since the fork.

    torch's workers watch for another parent than they began with; these began with none, and would
    wait for ever.
    """
    if os.getppid() != parent:
        os._exit(1)


def _as_is(item: Any) -> Any:
    return item


def _context() -> BaseContext:
    forks = "fork" in multiprocessing.get_all_start_methods()
    return multiprocessing.get_context("fork" if forks else "spawn")
