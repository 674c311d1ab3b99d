"""One function over many files, in several processes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from typing import TypeVar

from asclf.errors import DataError

T = TypeVar("T")
R = TypeVar("R")
Progress = Callable[[int, int], None]


def map_in_processes(
    function: Callable[[T], R], items: Sequence[T], *, jobs: int, progress: Progress | None = None
) -> list[R]:
    """Applies a function to each item; the results come in the order of the items.

    Args:
        function: Of a module, so that another process can find it.
        items: What it takes, one at a time.
        jobs: Processes; 1 works in this one.
        progress: Called after each item with the items done and the items that there are.

    Raises:
        DataError: A process was killed, for want of memory or by what it decoded.
    """
    found: list[R] = []
    for result in _results(function, items, jobs):
        found.append(result)
        if progress is not None:
            progress(len(found), len(items))
    return found


def _results(function: Callable[[T], R], items: Sequence[T], jobs: int) -> Iterator[R]:
    if jobs == 1:
        yield from map(function, items)
        return
    try:
        with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
            yield from pool.map(function, items, chunksize=8)
    except BrokenProcessPool as error:
        what, hint = "a process that decodes was killed", "--jobs 1 shows at which file"
        raise DataError(what, hint=hint) from error
