"""Facts of the machine and the process that a measurement belongs to."""

from __future__ import annotations

import os
import platform
import re
import sys
from pathlib import Path


def cpu_model() -> str:
    """The processor's model name, or its architecture where the system does not say more."""
    info = Path("/proc/cpuinfo")
    text = info.read_text(encoding="utf-8") if info.exists() else ""
    name = re.search(r"^(?:model name|Model|Hardware)\s*:\s*(.+)$", text, re.MULTILINE)
    return name[1].strip() if name else platform.processor() or platform.machine()


def usable_cores() -> int:
    """Logical processors that this process may run on."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def peak_rss_bytes() -> int:
    """The most resident memory that this process has had so far.

    Linux keeps `ru_maxrss` of the parent across `exec`, so `VmHWM` is read there.
    """
    status = Path("/proc/self/status")
    if status.exists():
        high_water = re.search(r"^VmHWM:\s*(\d+) kB$", status.read_text(), re.MULTILINE)
        if high_water:
            return int(high_water[1]) * 1024
    import resource  # absent on Windows

    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
