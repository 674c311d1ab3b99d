"""Shards on a disk without space: a small tmpfs, or where mounting is not allowed a size limit."""

from __future__ import annotations

import resource
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from asclf.data.manifest import Clip, write_manifest
from asclf.data.shards import ShardIndex, write_shards
from asclf.errors import DataError

RATE = 8000
CLIPS_PER_SHARD = 4
SHARD_BYTES = 150_000
"""A little more than a shard of 4 clips of 2 s of noise takes."""


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    """Three shards' worth of noise, which FLAC cannot make much smaller."""
    clips = []
    for number in range(3 * CLIPS_PER_SHARD):
        noise = np.random.default_rng(number).uniform(-1, 1, 2 * RATE)
        soundfile.write(tmp_path / f"{number}.wav", noise, RATE)
        clips.append(Clip(f"c{number}", tmp_path / f"{number}.wav", ("noise",), fold=1))
    write_manifest(tmp_path / "manifest.jsonl", clips)
    return tmp_path / "manifest.jsonl"


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system with room for two shards and a half."""
    disk = tmp_path / "disk"
    disk.mkdir()
    size = f"size={SHARD_BYTES * 5 // 2 // 1024}k"
    command = ["mount", "-t", "tmpfs", "-o", size, "tmpfs", str(disk)]
    mounted = subprocess.run(command, capture_output=True, text=True, check=False)
    if mounted.returncode:
        pytest.skip(f"no tmpfs can be mounted: {mounted.stderr.strip()}")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """Lets no file grow beyond `size` bytes."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # an OSError instead
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)


def _write(manifest: Path, out: Path) -> ShardIndex:
    return write_shards(manifest, out, sample_rate=RATE, clips_per_shard=CLIPS_PER_SHARD)


def _contents(folder: Path, pattern: str = "*") -> dict[str, Any]:
    return {
        path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in folder.glob(pattern)
    }


@pytest.mark.fault
def test_a_full_disk_is_named_and_the_shards_before_it_are_kept(
    manifest: Path, small_disk: Path, tmp_path: Path
) -> None:
    expected = _write(manifest, tmp_path / "whole")
    out = small_disk / "shards"
    with pytest.raises(DataError, match="cannot be written: No space left on device") as caught:
        _write(manifest, out)
    assert "goes on" in caught.value.hint
    done = _contents(out, "fold1-0000[01].*")
    assert {path.name for path in out.iterdir()} == {*done, "origin.json"}
    assert len(done) == 4
    subprocess.run(["mount", "-o", "remount,size=1m", str(small_disk)], check=True)
    assert _write(manifest, out).shards == expected.shards
    assert {name: _contents(out)[name] for name in done} == done


@pytest.mark.fault
def test_a_file_that_cannot_grow_is_the_same_as_a_full_disk(manifest: Path, tmp_path: Path) -> None:
    out = tmp_path / "shards"
    with largest_file(SHARD_BYTES // 2), pytest.raises(DataError, match="File too large") as caught:
        _write(manifest, out)
    assert "goes on" in caught.value.hint
    assert {path.name for path in out.iterdir()} == {"origin.json"}
    index = _write(manifest, out)
    index.verify(index.shards)
