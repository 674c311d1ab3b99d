"""Zip archives to files, without trusting what the archive says."""

from __future__ import annotations

import shutil
import stat
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from asclf.errors import DataError

MAX_FILES = 200_000
MAX_BYTES = 32 << 30


def extract_zip(
    archive: Path,
    folder: Path,
    *,
    strip: int = 0,
    max_files: int = MAX_FILES,
    max_bytes: int = MAX_BYTES,
) -> None:
    """Extracts the files of a zip archive into a folder, or nothing where one of them is unsafe.

    Args:
        archive: The zip file.
        folder: Where to; no file of that name may be there.
        strip: Leading folders to take off each name, as GitHub wraps an archive into one.
        max_files: Most files.
        max_bytes: Most bytes, once unpacked.

    Raises:
        DataError: The archive is broken or too large; a name leads out of the folder or occurs
            twice; an entry is a link or a device.
    """
    with _reading(archive), zipfile.ZipFile(archive) as file:
        entries = [entry for entry in file.infolist() if not entry.is_dir()]
        places = [_place(entry, archive, strip) for entry in entries]
        _check_limits(entries, archive, max_files, max_bytes)
        for entry, place in zip(entries, places, strict=True):
            target = folder / place
            target.parent.mkdir(parents=True, exist_ok=True)
            with file.open(entry) as source, target.open("xb") as out:
                shutil.copyfileobj(source, out, 1 << 20)


def _place(entry: zipfile.ZipInfo, archive: Path, strip: int) -> Path:
    path = PurePosixPath(entry.filename)
    where = f"{archive}: {entry.filename}"
    if path.is_absolute() or ".." in path.parts or any(sign in entry.filename for sign in "\\:"):
        raise DataError("the name leads out of the folder", where=where, expected="a plain name")
    kind = stat.S_IFMT(entry.external_attr >> 16)
    if kind not in (0, stat.S_IFREG):
        raise DataError("the entry is a link or a device", where=where, expected="files only")
    if len(path.parts) <= strip:
        raise DataError("the name is too short", where=where, expected=f"a file {strip} deep")
    return Path(*path.parts[strip:])


def _check_limits(
    entries: list[zipfile.ZipInfo], archive: Path, max_files: int, max_bytes: int
) -> None:
    # zipfile reads no more of an entry than its header declares, so the sum is a true bound.
    size = sum(entry.file_size for entry in entries)
    if len(entries) > max_files or size > max_bytes:
        raise DataError(
            f"the archive would unpack to {len(entries)} files and {size} bytes",
            where=archive,
            expected=f"at most {max_files} files and {max_bytes} bytes",
        )


@contextmanager
def _reading(archive: Path) -> Iterator[None]:
    try:
        yield
    except FileExistsError as error:
        raise DataError("a file occurs twice", where=f"{archive}: {error.filename}") from error
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        hint = "delete it and run stage 0 again"
        raise DataError(f"the archive is broken: {error}", where=archive, hint=hint) from error
    except OSError as error:
        what = f"the archive cannot be unpacked: {error.strerror or error}"
        raise DataError(what, where=error.filename or archive) from error
