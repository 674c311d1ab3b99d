"""Disks that are full when a run has something to write."""

from __future__ import annotations

import resource
import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import pytest

import asclf.checkpoint
from asclf.cli.main import main

Train = Callable[..., Path]
FillDisk = Callable[[], AbstractContextManager[None]]

SHORT = ("train.epochs=3", "augmenters=[]")


@contextmanager
def small_disk(folder: Path) -> Iterator[FillDisk]:
    """Mounts a file system of 4 MB; yields what fills it up."""
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(folder)]
    mounted = subprocess.run(mount, capture_output=True, text=True, check=False)
    if mounted.returncode:
        pytest.skip(f"no small disk can be made here: {mounted.stderr.strip()}")

    @contextmanager
    def fill() -> Iterator[None]:
        with pytest.raises(OSError, match="No space"), (folder / "filler").open("wb", 0) as file:
            for _ in range(1 << 11):
                file.write(bytes(4096))
                file.flush()
            raise AssertionError("the disk is too large")
        yield
        (folder / "filler").unlink()

    try:
        yield fill
    finally:
        subprocess.run(["umount", str(folder)], check=True)


@contextmanager
def small_files(folder: Path) -> Iterator[FillDisk]:
    """Yields what lets no file grow beyond a few bytes."""
    folder.mkdir()

    @contextmanager
    def fill() -> Iterator[None]:
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (16, hard))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    yield fill


def in_call(number: int, function: Callable[..., Any], first: Callable[[], object]) -> Any:
    """The function, before whose n-th call (from 0) something else is called."""
    calls = count()

    def counted(*args: Any, **kwargs: Any) -> Any:
        if next(calls) == number:
            first()
        return function(*args, **kwargs)

    return counted


WRITES = {
    "resume.safetensors": (asclf.checkpoint, "save_file", 2),
    "epochs/epoch_0002.safetensors": (asclf.checkpoint, "save_file", 1),
    "metrics.jsonl": (Path, "write_bytes", 5),
}
"""What is being written in the second epoch, by the n-th call of what."""


@pytest.mark.fault
@pytest.mark.parametrize("file", WRITES)
@pytest.mark.parametrize(
    ("disk", "reason"), [(small_disk, "No space left on device"), (small_files, "File too large")]
)
def test_a_full_disk_is_one_line_and_the_state_before_is_whole(
    *,
    train_once: Train,
    toy_config: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    disk: Callable[[Path], AbstractContextManager[FillDisk]],
    reason: str,
    file: str,
) -> None:
    whole = (train_once("whole", *SHORT, resume=True) / "final.safetensors").read_bytes()
    run, before = tmp_path / "disk" / "exp" / "fold1", list[bytes]()
    command = ["train", "--config", str(toy_config), "--exp", str(run.parent), *SHORT]
    with disk(tmp_path / "disk") as fill:
        with ExitStack() as full, pytest.MonkeyPatch.context() as patch:

            def fill_up() -> None:
                before.append((run / "resume.safetensors").read_bytes())
                full.enter_context(fill())

            owner, name, number = WRITES[file]
            patch.setattr(owner, name, in_call(number, getattr(owner, name), fill_up))
            assert main(command) == 2
            line = capsys.readouterr().err.splitlines()[-1]
            assert line.startswith(f"{run / file}: ")
            assert reason in line
            assert [(run / "resume.safetensors").read_bytes()] == before
            assert not list(run.rglob("*.part"))
        assert main([*command, "--resume"]) == 0
        assert (run / "final.safetensors").read_bytes() == whole
