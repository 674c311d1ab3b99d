from __future__ import annotations

import platform
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from asclf.device import available_memory, best_device, threads


def test_best_device_is_the_accelerator_where_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    for is_there, kind in ((False, "cpu"), (True, "cuda")):
        monkeypatch.setattr(torch.cuda, "is_available", lambda is_there=is_there: is_there)
        assert best_device().type == kind


@pytest.mark.parametrize("count", [0, 1, 3])
def test_threads_are_put_back_after_an_error(count: int) -> None:
    before = torch.get_num_threads()
    with pytest.raises(RuntimeError), threads(count):
        assert torch.get_num_threads() == (count or before)
        raise RuntimeError
    assert torch.get_num_threads() == before


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the C library is not glibc")
def test_freed_memory_stays_with_the_process() -> None:
    script = """
import resource, sys, torch
from asclf.device import keep_freed_memory
assert not sys.argv[1:] or keep_freed_memory()
torch.ones(12_000_000)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(20):
    torch.ones(12_000_000)  # 48 MB: more than glibc ever keeps by itself
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""
    faults = {
        kept: int(subprocess.check_output([sys.executable, "-c", script, *kept]))
        for kept in ((), ("keep",))
    }
    assert faults[()] > faults[("keep",)] + 19  # a fault a block at the least, with huge pages


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({}, None),
        ({"proc/meminfo": "MemTotal: 9 kB\nMemAvailable:   7 kB\nHugePages_Total: 0\n"}, 7168),
        ({"sys/fs/cgroup/memory.max": "max\n"}, None),
        ({"proc/meminfo": "MemAvailable: 7 kB\n", "sys/fs/cgroup/memory.max": "9000\n"}, 6010),
        ({"proc/meminfo": "MemAvailable: 5 kB\n", "sys/fs/cgroup/memory.max": "9000\n"}, 5120),
    ],
)
def test_available_memory_is_that_of_machine_and_control_group(
    tmp_path: Path, files: dict[str, str], expected: int | None
) -> None:
    if "sys/fs/cgroup/memory.max" in files:
        files = {
            **files,
            "sys/fs/cgroup/memory.current": "3000\n",
            "sys/fs/cgroup/memory.stat": "anon 5\ninactive_file 10\n",
        }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    assert available_memory(tmp_path) == expected


def test_this_machine_has_memory_left() -> None:
    free = available_memory()
    assert free is None or free > 1 << 20
