"""Shards in a folder or at a web address; from there each is fetched when it is first wanted.

A fetched shard is held to the size and the SHA-256 of the index, and kept under that SHA-256 in a
folder that all runs and processes of this machine share. Fetching survives what a line and a server
do: it goes on where it was cut, waits longer and longer, and starts over where what came is wrong.
"""

from __future__ import annotations

import logging
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import IO, Final
from urllib.parse import urlsplit, urlunsplit

from asclf.data.download import RemoteFile, download
from asclf.data.shard_index import INDEX, ShardIndex, ShardInfo

ATTEMPTS: Final = 6
FIRST_WAIT_S: Final = 0.5
SILENCE_S: Final = 10.0
"""Six silences and the waits between them stay below the default of `data.worker_timeout_s`."""

OnRetry = Callable[[str], None]
"""Told what failed, each time that something is tried again."""

logger = logging.getLogger(__name__)


def shards_at(place: str | Path, *, cache: str | None = None) -> ShardIndex:
    """Reads the index of a folder of shards.

    Args:
        place: The folder, or its http or https address.
        cache: Where shards are kept that are fetched from an address; `None` takes
            `asclf/shards` in the user's cache.

    Raises:
        DataError: There is no index, or it cannot be fetched, or it is broken.
    """
    if not is_address(place):
        return ShardIndex.load(Path(place))
    url = str(place)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / INDEX
        _download(RemoteFile(address(url, INDEX), None), path, ATTEMPTS, logger.warning)
        index = ShardIndex.parse(path.read_bytes(), where=address(url, INDEX))
    return replace(index, folder=Path(cache) if cache else _user_cache(), url=url)


def fetch(index: ShardIndex, shard: ShardInfo, on_retry: OnRetry = logger.warning) -> Path:
    """The file of a shard, fetched first where it is at an address and not here yet.

    Raises:
        DataError: Every attempt failed; names the address, the last cause, and the number of tries.
    """
    path = index.path(shard)
    if index.url is None or path.exists():
        return path
    remote = RemoteFile(address(index.url, shard.name), shard.sha256, shard.bytes)
    path.parent.mkdir(parents=True, exist_ok=True)
    with _alone(path) as has_waited:
        # who waited for another's attempts to fail need not repeat them all
        _download(remote, path, 1 if has_waited else ATTEMPTS, on_retry)
    return path


def is_address(place: str | Path) -> bool:
    """Whether a place is a web address rather than a folder."""
    return str(place).startswith(("http://", "https://"))


def address(folder: str, name: str) -> str:
    """The address of a file below that of its folder; a query, such as a signature, stays."""
    parts = urlsplit(folder)
    return urlunsplit(parts._replace(path=f"{parts.path.rstrip('/')}/{name}"))


def _download(remote: RemoteFile, path: Path, attempts: int, on_retry: OnRetry) -> None:
    download(
        remote,
        path,
        attempts=attempts,
        wait_s=FIRST_WAIT_S,
        timeout_s=SILENCE_S,
        retry_wrong=True,
        on_retry=on_retry,
    )


@contextmanager
def _alone(path: Path) -> Iterator[bool]:
    """Keeps other processes from fetching the same file; yields whether one was waited for."""
    with path.with_suffix(".lock").open("w") as file:
        yield _wait_for_lock(file)


def _wait_for_lock(file: IO[str]) -> bool:
    """Takes the lock of a file; returns whether another process had it."""
    try:
        import fcntl
    except ImportError:  # on Windows nothing is locked
        return False
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        fcntl.flock(file, fcntl.LOCK_EX)
        return True
    return False


def _user_cache() -> Path:
    caches = os.environ.get("XDG_CACHE_HOME")
    return (Path(caches) if caches else Path.home() / ".cache") / "asclf" / "shards"
