"""The recordings in a folder."""

from __future__ import annotations

from pathlib import Path

from asclf.errors import DataError

SUFFIXES = (
    *(".wav", ".flac", ".aiff", ".aif", ".aifc", ".w64", ".rf64"),
    *(".ogg", ".oga", ".opus", ".mp3"),
)
"""Of audio files, those without loss first."""


def find_recordings(folder: Path) -> list[Path]:
    """The files with an audio suffix in a folder and those below it, sorted.

    Files and folders whose names begin with a dot are passed over: macOS puts such a file beside
    each on a foreign disk.

    Raises:
        DataError: There is no such folder, or no such file in it.
    """
    if not folder.is_dir():
        raise DataError("there is no such folder", where=folder)
    audio = (file for file in folder.rglob("*") if file.suffix.lower() in SUFFIXES)
    found = sorted(file for file in audio if not _is_hidden(file.relative_to(folder)))
    if not found:
        raise DataError(
            "there is no audio file in this folder",
            where=folder,
            expected=f"files ending in {', '.join(sorted(SUFFIXES))}",
        )
    return found


def _is_hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)
