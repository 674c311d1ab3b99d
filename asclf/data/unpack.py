"""Archives to files, without trusting what the archive says: zip, and tar with gzip."""

from __future__ import annotations

import gzip
import shutil
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

from asclf.errors import DataError

MAX_FILES = 200_000
MAX_BYTES = 32 << 30
APPLE_DOUBLE = "._"  # files that macOS adds when it packs: no part of a dataset
CHUNK = 1 << 20
GZIP = b"\x1f\x8b"
BROKEN = (
    zipfile.BadZipFile,
    tarfile.TarError,
    gzip.BadGzipFile,
    zlib.error,
    EOFError,
    NotImplementedError,
    RuntimeError,
)


def extract(
    archive: Path,
    folder: Path,
    *,
    strip: int = 0,
    max_files: int = MAX_FILES,
    max_bytes: int = MAX_BYTES,
) -> None:
    """Extracts the files of an archive, zip or tar.gz as its first bytes say, into a folder.

    A zip archive with an unsafe entry is refused before anything is written. A tar archive has no
    list of its entries: it is read once, and an unsafe one ends that where it stands.

    Args:
        archive: The archive.
        folder: Where to; no file of that name may be there.
        strip: Leading folders to take off each name, as GitHub wraps an archive into one.
        max_files: Most files.
        max_bytes: Most bytes, once unpacked.

    Raises:
        DataError: The archive is broken or too large; a name leads out of the folder or occurs
            twice; an entry is a link or a device.
    """
    rules = _Rules(archive, folder, strip, max_files, max_bytes)
    with _reading(archive):
        with archive.open("rb") as file:
            is_tar = file.read(len(GZIP)) == GZIP
        (_extract_tar if is_tar else _extract_zip)(rules)


@dataclass(frozen=True)
class _Rules:
    archive: Path
    folder: Path
    strip: int
    max_files: int
    max_bytes: int

    def target(self, name: str, *, is_file: bool) -> Path:
        """Where the entry of a name goes."""
        path = PurePosixPath(name)
        where = f"{self.archive}: {name}"
        if path.is_absolute() or ".." in path.parts or any(sign in name for sign in "\\:"):
            what = "the name leads out of the folder"
            raise DataError(what, where=where, expected="a plain name")
        if not is_file:
            raise DataError("the entry is a link or a device", where=where, expected="files only")
        if len(path.parts) <= self.strip:
            expected = f"a file {self.strip} deep"
            raise DataError("the name is too short", where=where, expected=expected)
        return self.folder.joinpath(*path.parts[self.strip :])

    def check_size(self, files: int, size: int) -> None:
        if files > self.max_files or size > self.max_bytes:
            raise DataError(
                f"the archive would unpack to {files} files and {size} bytes",
                where=self.archive,
                expected=f"at most {self.max_files} files and {self.max_bytes} bytes",
            )


def _extract_zip(rules: _Rules) -> None:
    with zipfile.ZipFile(rules.archive) as file:
        entries = [entry for entry in file.infolist() if not entry.is_dir()]
        targets = [rules.target(entry.filename, is_file=_is_file(entry)) for entry in entries]
        # zipfile reads no more of an entry than its header declares, so the sum is a true bound.
        rules.check_size(len(entries), sum(entry.file_size for entry in entries))
        for entry, target in zip(entries, targets, strict=True):
            with file.open(entry) as source:
                _write(source, target)


def _is_file(entry: zipfile.ZipInfo) -> bool:
    return stat.S_IFMT(entry.external_attr >> 16) in (0, stat.S_IFREG)


def _extract_tar(rules: _Rules) -> None:
    files = size = 0
    with gzip.open(rules.archive) as stream, tarfile.open(fileobj=stream, mode="r:") as file:
        for entry in file:
            if entry.isdir() or PurePosixPath(entry.name).name.startswith(APPLE_DOUBLE):
                continue
            target = rules.target(entry.name, is_file=entry.isreg() and not entry.issparse())
            files, size = files + 1, size + entry.size
            rules.check_size(files, size)
            source = file.extractfile(entry)
            assert source is not None, "a regular file"
            _write(source, target)
        while stream.read(CHUNK):  # to the end, where gzip compares its checksum
            pass


def _write(source: IO[bytes], target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    with source, target.open("xb") as out:
        shutil.copyfileobj(source, out, CHUNK)


@contextmanager
def _reading(archive: Path) -> Iterator[None]:
    hint = "delete it and run stage 0 again"
    try:
        yield
    except FileExistsError as error:
        raise DataError("a file occurs twice", where=f"{archive}: {error.filename}") from error
    except BROKEN as error:
        raise DataError(f"the archive is broken: {error}", where=archive, hint=hint) from error
    except OSError as error:
        what = f"the archive cannot be unpacked: {error.strerror or error}"
        raise DataError(what, where=error.filename or archive) from error
