"""UrbanSound8K: the official release, and its manifest.

    prepare.py download --out data/UrbanSound8K
    prepare.py manifest --data-dir data/UrbanSound8K --out data/urbansound8k.jsonl

The release lies on Zenodo (record 1203745), which gives its size and MD5 and no SHA-256. The
download is held to these two; its SHA-256 is printed and stored, and `--sha256` holds later
downloads to it.
"""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence
from pathlib import Path

from asclf.data.download import RemoteFile
from asclf.data.manifest import Clip
from asclf.data.release import fetch_release, release_parser
from asclf.data.tables import Findings, Row, find_clips, read_number, write_found
from asclf.errors import AsclfError

OFFICIAL = RemoteFile(
    url="https://zenodo.org/records/1203745/files/UrbanSound8K.tar.gz",
    sha256=None,
    size=6_023_741_708,
    md5="9aa69802bbf37fb986f71ec1483a196e",
)
COLUMNS = ("slice_file_name", "fsID", "fold", "class")


def make_manifest(data_dir: Path, out: Path) -> Findings:
    """Writes the manifest of an official copy, which may hold any of the folds.

    A clip's source is the Freesound recording (`fsID`) that it was cut from, as in ESC-50.

    Raises:
        DataError: There is no table, it has other columns, or not one clip is found.
    """

    def read_row(row: Row) -> Clip:
        fold = read_number(row, "fold")
        path = data_dir / "audio" / f"fold{fold}" / row["slice_file_name"]
        return Clip(path.stem, path, (row["class"],), fold=fold, source_id=row["fsID"])

    table = data_dir / "metadata" / "UrbanSound8K.csv"
    found = find_clips(table, COLUMNS, read_row)
    write_found(found, table, out)
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one of the two stages; 2 stands for a user's error, told in one line."""
    options = _parse(arguments)
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s")
    try:
        if options.stage == "download":
            fetch_release(options, OFFICIAL, strip=1)
        else:
            make_manifest(options.data_dir, options.out)
    except AsclfError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser, manifest = release_parser(__doc__, OFFICIAL)
    manifest.add_argument("--data-dir", type=Path, required=True, help="has metadata/ and audio/")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
