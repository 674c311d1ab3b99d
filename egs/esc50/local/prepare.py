"""ESC-50: the official release, and its manifest.

    prepare.py download --out data/ESC-50
    prepare.py manifest --data-dir data/ESC-50 --subset esc10 --out data/esc10.jsonl

The release is the repository's last commit, as the zip that GitHub packs on request. GitHub
promises the files in it, not the bytes around them; the SHA-256 below is the one that projects
which pin this commit have published. Should GitHub pack it anew one day, the download is refused,
and `--sha256` takes the new one (or `none`, which trusts the CRCs in the zip).
"""

from __future__ import annotations

import argparse
import csv
import logging
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from asclf.audio.io import probe
from asclf.data.download import RemoteFile, fetch_zip
from asclf.data.manifest import Clip, write_manifest
from asclf.errors import AsclfError, AudioError, DataError

COMMIT = "33c8ce9eb2cf0b1c2f8bcf322eb349b6be34dbb6"
OFFICIAL = RemoteFile(
    url=f"https://github.com/karolpiczak/ESC-50/archive/{COMMIT}.zip",
    sha256="661183a6f53ef04f12c9bd618fed0ddc1713280d6c94a5a5431e844ba6f6a21f",
    size=645_832_161,
)
COLUMNS = ("filename", "fold", "category", "esc10", "src_file")
SUFFIXES = (".wav", ".flac", ".ogg", ".opus", ".mp3", ".aiff", ".aif")

logger = logging.getLogger("esc50")


@dataclass
class Findings:
    """What `meta/esc50.csv` and the audio folder give: clips, and what is wrong, line by line."""

    clips: list[Clip] = field(default_factory=list)
    bad_rows: list[str] = field(default_factory=list)
    without_file: list[str] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        folds = sorted({clip.fold for clip in self.clips if clip.fold is not None})
        labels = {label for clip in self.clips for label in clip.labels}
        return (
            f"{len(self.clips)} clips of {len(labels)} classes in the folds {folds}; "
            f"{len(self.bad_rows)} bad rows, {len(self.without_file)} rows without a file, "
            f"{len(self.unreadable)} files that cannot be read"
        )


def make_manifest(data_dir: Path, subset: str, out: Path) -> Findings:
    """Writes the manifest of ESC-50, or of its subset ESC-10, from an official copy.

    A copy may hold any of the folds, and its audio in any format: a file that the table calls
    `.wav` is found by its stem. Bad rows and rows without a file are left out; a file that cannot
    be read stays in, for the shards to leave out and count. All are logged by name.

    Raises:
        DataError: There is no table, it has other columns, or not one clip is found.
    """
    table = data_dir / "meta" / "esc50.csv"
    found = _find_clips(table, data_dir / "audio", subset)
    for problem in (*found.bad_rows, *found.without_file, *found.unreadable):
        logger.warning("%s", problem)
    if not found.clips:
        raise DataError(f"not one clip of {subset} is found: {found}", where=table)
    logger.info("%s", found)
    write_manifest(out, found.clips)
    return found


def _find_clips(table: Path, audio: Path, subset: str) -> Findings:
    found = Findings()
    files = {path.name: path for path in audio.glob("*.*")}
    seen: set[str] = set()
    for where, row in _read_rows(table):
        fault = _find_fault(row, seen)
        seen.add(Path(row["filename"]).stem)
        path = _find_file(row["filename"], files)
        if fault:
            found.bad_rows.append(f"{where}: {fault}")
        elif subset == "esc10" and row["esc10"] == "False":
            continue
        elif path is None:
            found.without_file.append(f"{where}: {row['filename']} is not in {audio}")
        else:
            found.clips.append(_make_clip(row, path))
            found.unreadable += _find_unreadable(path)
    return found


def _read_rows(table: Path) -> Iterator[tuple[str, dict[str, str]]]:
    try:
        with table.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file, restval="")
            absent = [name for name in COLUMNS if name not in (reader.fieldnames or ())]
            if absent:
                what, expected = f"the column {absent[0]!r} is missing", ", ".join(COLUMNS)
                raise DataError(what, where=table, expected=expected)
            for row in reader:
                yield f"{table}:{reader.line_num}", row
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        hint = "give --data-dir the folder that holds meta/ and audio/, or run stage 0"
        raise DataError(f"the table cannot be read: {reason}", where=table, hint=hint) from error


def _find_fault(row: dict[str, str], seen: set[str]) -> str | None:
    empty = [column for column in COLUMNS if not row[column]]
    if empty:
        return f"`{empty[0]}` is empty"
    if not row["fold"].isdecimal():
        return f"`fold` is {row['fold']!r}, and should be a number"
    if row["esc10"] not in ("True", "False"):
        return f"`esc10` is {row['esc10']!r}, and should be True or False"
    return f"{row['filename']} occurs twice" if Path(row["filename"]).stem in seen else None


def _find_file(name: str, files: dict[str, Path]) -> Path | None:
    names = [name, *(Path(name).stem + suffix for suffix in SUFFIXES)]
    return next((files[name] for name in names if name in files), None)


def _find_unreadable(path: Path) -> list[str]:
    try:
        probe(path)
    except AudioError as error:
        return [str(error)]
    return []


def _make_clip(row: dict[str, str], path: Path) -> Clip:
    return Clip(
        clip_id=Path(row["filename"]).stem,
        path=path,
        labels=(row["category"],),
        fold=int(row["fold"]),
        source_id=row["src_file"],
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one of the two stages; 2 stands for a user's error, told in one line."""
    options = _parse(arguments)
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s")
    try:
        if options.stage == "download":
            fetch_zip(_remote(options), options.out, strip=1)
        else:
            make_manifest(options.data_dir, options.subset, options.out)
    except AsclfError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


def _remote(options: argparse.Namespace) -> RemoteFile:
    if options.url == OFFICIAL.url and options.sha256 == OFFICIAL.sha256:
        return OFFICIAL
    sha256 = None if options.sha256 == "none" else options.sha256
    return RemoteFile(options.url, sha256)


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    stages = parser.add_subparsers(dest="stage", required=True)
    download = stages.add_parser("download", help="fetch and unpack the official release")
    download.add_argument("--out", type=Path, required=True, help="folder for meta/ and audio/")
    download.add_argument("--url", default=OFFICIAL.url, help="zip archive (%(default)s)")
    download.add_argument("--sha256", default=OFFICIAL.sha256, help="its SHA-256, or none")
    manifest = stages.add_parser("manifest", help="write the manifest of a copy")
    manifest.add_argument("--data-dir", type=Path, required=True, help="has meta/ and audio/")
    manifest.add_argument("--subset", choices=("esc10", "esc50"), default="esc50")
    manifest.add_argument("--out", type=Path, required=True, help="manifest to write (.jsonl)")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
