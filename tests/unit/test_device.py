from __future__ import annotations

import platform
import subprocess
import sys

import pytest
import torch

from asclf.device import best_device, threads


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
