"""One process at a time in a run's folder."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from asclf.errors import TrainError

NAME = ".lock"


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Holds a folder, made where it is missing, until the block ends or the process does.

    The lock is the system's and goes with the process, however that ends; the empty file `.lock`
    stays. Processes forked meanwhile do not share it, so a data worker that outlives a killed run
    keeps nobody out. A file system without locks lets everybody in.

    Raises:
        TrainError: Another process holds it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / NAME).open("ab") as file:
        if not _take(file):
            raise TrainError(
                "another process is training into this folder",
                where=folder,
                hint="wait for its end or stop it, or train into another --exp",
            )
        yield


def _take(file: IO[bytes]) -> bool:
    """Whether nobody else holds the lock; it is released when the file is closed."""
    try:
        import fcntl
    except ImportError:  # on Windows nothing is locked
        return True
    try:
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        return error.errno not in (errno.EACCES, errno.EAGAIN)
    return True
