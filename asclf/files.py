"""Files and folders that are whole or absent: written beside their place, then renamed into it."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Yields a temporary path to write; it takes the place of `path` when the block succeeds.

    A process killed at any point leaves the old file, or none; never half of the new one.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        yield part
        _flush_to_disk(part)
        part.replace(path)
        _flush_to_disk(path.parent)
    except OSError as error:
        if error.errno and not error.filename:  # a full disk names no file
            error.filename = str(path)
        raise
    finally:
        part.unlink(missing_ok=True)


@contextmanager
def whole_folder(path: Path) -> Iterator[Path]:
    """Yields a temporary folder to fill; it takes the place of `path` when the block succeeds.

    An older folder is renamed away first and removed last, so a failure at any point leaves it; a
    process killed between the two renames leaves it as `.NAME.PID.old`.
    """
    part, old = (path.with_name(f".{path.name}.{os.getpid()}.{end}") for end in ("part", "old"))
    _settle(path, part, old)  # after a killed process of the same number, as containers have them
    part.mkdir(parents=True)
    try:
        yield part
        for file in part.iterdir():
            _flush_to_disk(file)
        if path.exists():
            path.rename(old)
        part.rename(path)
        _flush_to_disk(path.parent)
    finally:
        _settle(path, part, old)


def remove_parts(folder: Path) -> None:
    """Removes the temporary files that killed processes left in a folder."""
    for part in folder.glob(".*.part"):
        part.unlink(missing_ok=True)


def write_whole(path: Path, content: str | bytes) -> None:
    """Writes text (UTF-8) or bytes to `path` in one piece."""
    with whole_file(path) as part:
        part.write_bytes(content.encode("utf-8") if isinstance(content, str) else content)


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal."""
    return hash_of(path, "sha256")


def hash_of(path: Path, algorithm: str) -> str:
    """The hash of a file by an algorithm that `hashlib` knows, in hexadecimal."""
    digest = hashlib.new(algorithm, usedforsecurity=False)
    with path.open("rb") as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


def _settle(path: Path, part: Path, old: Path) -> None:
    """Brings the older folder back where none has taken its place, and removes what is left."""
    if old.exists() and not path.exists():
        old.rename(path)
    for leftover in (part, old):
        shutil.rmtree(leftover, ignore_errors=True)


def _flush_to_disk(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
