"""The processes that train together, as one of them sees them."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import TypeVar

import torch
from torch import distributed

from asclf.device import best_device
from asclf.errors import AsclfError, TrainError

T = TypeVar("T")

LAUNCHED_BY = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT")
"""What torchrun tells each process that it starts."""
LONGEST_WAIT = timedelta(minutes=30)
"""For the others, in an exchange: one that is gone is noticed at once, one that hangs then."""

logger = logging.getLogger(__name__)


class Peers:
    """A process that trains alone: what it agrees on with others costs nothing.

    What is called a collective has to be called by every process, in the same order.

    Attributes:
        rank: This process among them, from 0; rank 0 writes all files and talks to the user.
        local_rank: This process among those of its machine, from 0.
        world_size: How many they are.
    """

    rank: int = 0
    local_rank: int = 0
    world_size: int = 1

    @property
    def leads(self) -> bool:
        """Whether this is the process that writes."""
        return self.rank == 0

    def totals(self, values: Sequence[float]) -> list[float]:
        """Sums over all processes, the same everywhere; a collective."""
        return list(values)

    def gather(self, value: T) -> list[T]:
        """What each process says, in the order of their ranks, for every process; a collective."""
        return [value]

    def agree(self, value: T) -> T:
        """What rank 0 says, for every process; a collective."""
        return self.gather(value)[0]

    @contextmanager
    def as_one(self) -> Iterator[None]:
        """A block that fails in all processes if it fails in one; its end is a collective.

        Raises:
            AsclfError: The block did, in this process.
            TrainError: It did in another.
        """
        own: AsclfError | None = None
        try:
            yield
        except AsclfError as error:
            own = error
        failures = self.gather(None if own is None else str(own))
        if own is not None:
            raise own
        for rank, failure in enumerate(failures):
            if failure is not None:
                raise TrainError(f"process {rank} cannot go on: {failure}")


class RankedPeers(Peers):
    """One of several processes, in the group that torch.distributed has joined."""

    def __init__(self) -> None:
        self.rank = distributed.get_rank()
        self.local_rank = int(os.environ["LOCAL_RANK"])
        self.world_size = distributed.get_world_size()

    def totals(self, values: Sequence[float]) -> list[float]:
        """Sums over all processes, the same everywhere; a collective."""
        sums = torch.tensor(values, dtype=torch.float64, device=best_device())
        distributed.all_reduce(sums)
        summed: list[float] = sums.tolist()
        return summed

    def gather(self, value: T) -> list[T]:
        """What each process says, in the order of their ranks, for every process; a collective."""
        values: list[T] = [value] * self.world_size
        distributed.all_gather_object(values, value)
        return values


@contextmanager
def join_peers() -> Iterator[Peers]:
    """Joins the processes that torchrun started with this one, and leaves them at the end.

    Alone where it did not. They talk over nccl where each has a GPU, over gloo otherwise.

    Raises:
        TrainError: There is no GPU left for this process; or the others cannot be reached, or one
            of them is gone before the end.
    """
    if not all(name in os.environ for name in LAUNCHED_BY):
        yield Peers()
        return
    try:
        distributed.init_process_group(_take_device(), timeout=LONGEST_WAIT)
        yield RankedPeers()
    except RuntimeError as error:
        if not _is_of_the_group(error):
            raise
        logger.debug("torch.distributed says: %s", error)
        raise TrainError(
            "another process of this training cannot be reached, or is gone",
            where=f"process {os.environ['RANK']}",
            hint="its own message says why; go on after the last whole epoch with --resume",
        ) from error
    # after an error the group is left to the end of the process: leaving it waits for the others
    distributed.destroy_process_group()


def _take_device() -> str:
    """Makes this process's own GPU the current one, if there is any; names the backend for it."""
    if best_device().type == "cpu":
        return "gloo"
    own, count = int(os.environ["LOCAL_RANK"]), torch.cuda.device_count()
    if own >= count:
        raise TrainError(
            f"process {own} of this machine has no GPU, there are {count}",
            hint="start as many processes as there are GPUs, or hide them: CUDA_VISIBLE_DEVICES=",
        )
    torch.cuda.set_device(own)
    return "nccl"


def _is_of_the_group(error: RuntimeError) -> bool:
    """gloo's errors have no class of their own."""
    return isinstance(error, distributed.DistError) or "gloo" in str(error)
