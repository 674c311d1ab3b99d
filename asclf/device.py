"""What the network runs on: which device, how many threads, whose memory."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

M_TRIM_THRESHOLD, M_MMAP_MAX, M_ARENA_MAX = -1, -4, -8  # of glibc's malloc.h
NEVER = -1


def best_device() -> torch.device:
    """The accelerator where there is one, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


@contextmanager
def threads(count: int) -> Iterator[None]:
    """Computes with `count` threads inside the block; 0 leaves them as they are."""
    before = torch.get_num_threads()
    torch.set_num_threads(count or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def keep_freed_memory() -> bool:
    """Keeps what a step frees for the next one, instead of handing it back to the system.

    glibc maps every large block anew and unmaps it when it is freed, so that a training step on the
    CPU pays for the same pages again and again: with a small network a large part of its time.
    Holds for the whole process.

    Returns:
        Whether it took effect; not where the C library is another than glibc.
    """
    if sys.platform != "linux":
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    # One arena: the others, of which the backward pass has one, trim by a rule of their own.
    wanted = ((M_MMAP_MAX, 0), (M_TRIM_THRESHOLD, NEVER), (M_ARENA_MAX, 1))
    return all(mallopt(option, value) for option, value in wanted)


def available_memory(root: Path = Path("/")) -> int | None:
    """Bytes that a process may still take, of the machine and of its control group.

    Args:
        root: Where Linux shows both.

    Returns:
        The smaller of them, without caches of files, which give way; `None` where neither is known.
    """
    readers = (_memory_of_machine, _memory_of_control_group)
    known = [free for free in (read(root) for read in readers) if free is not None]
    return min(known, default=None)


def _memory_of_machine(root: Path) -> int | None:
    try:
        text = (root / "proc" / "meminfo").read_text(encoding="utf-8")
    except OSError:
        return None
    sizes = dict(line.split(":") for line in text.splitlines())
    kilobytes = sizes.get("MemAvailable", "").removesuffix("kB").strip()
    return 1024 * int(kilobytes) if kilobytes else None


def _memory_of_control_group(root: Path) -> int | None:
    folder = root / "sys" / "fs" / "cgroup"
    try:
        most, used, stat = (
            (folder / f"memory.{name}").read_text(encoding="utf-8").strip()
            for name in ("max", "current", "stat")
        )
    except OSError:
        return None
    if most == "max":
        return None
    cached = dict(line.split() for line in stat.splitlines()).get("inactive_file", "0")
    return int(most) - int(used) + int(cached)
