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
import logging
import sys
from collections.abc import Sequence
from pathlib import Path

from asclf.data.download import RemoteFile
from asclf.data.manifest import Clip
from asclf.data.release import fetch_release, release_parser
from asclf.data.tables import Findings, Row, find_clips, read_number, write_found
from asclf.errors import AsclfError, DataError

COMMIT = "33c8ce9eb2cf0b1c2f8bcf322eb349b6be34dbb6"
OFFICIAL = RemoteFile(
    url=f"https://github.com/karolpiczak/ESC-50/archive/{COMMIT}.zip",
    sha256="661183a6f53ef04f12c9bd618fed0ddc1713280d6c94a5a5431e844ba6f6a21f",
    size=645_832_161,
)
COLUMNS = ("filename", "fold", "category", "esc10", "src_file")


def make_manifest(data_dir: Path, subset: str, out: Path) -> Findings:
    """Writes the manifest of ESC-50, or of its subset ESC-10, from an official copy.

    A copy may hold any of the folds. What is wrong with it is logged by name.

    Raises:
        DataError: There is no table, it has other columns, or not one clip is found.
    """

    def read_row(row: Row) -> Clip | None:
        clip = _make_clip(row, data_dir / "audio")
        return clip if subset == "esc50" or row["esc10"] == "True" else None

    table = data_dir / "meta" / "esc50.csv"
    found = find_clips(table, COLUMNS, read_row)
    write_found(found, table, out)
    return found


def _make_clip(row: Row, audio: Path) -> Clip:
    if row["esc10"] not in ("True", "False"):
        raise DataError(f"`esc10` is {row['esc10']!r}, and should be True or False")
    path = audio / row["filename"]
    return Clip(
        clip_id=path.stem,
        path=path,
        labels=(row["category"],),
        fold=read_number(row, "fold"),
        source_id=row["src_file"],
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one of the two stages; 2 stands for a user's error, told in one line."""
    options = _parse(arguments)
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s")
    try:
        if options.stage == "download":
            fetch_release(options, OFFICIAL, strip=1)
        else:
            make_manifest(options.data_dir, options.subset, options.out)
    except AsclfError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser, manifest = release_parser(__doc__, OFFICIAL)
    manifest.add_argument("--data-dir", type=Path, required=True, help="has meta/ and audio/")
    manifest.add_argument("--subset", choices=("esc10", "esc50"), default="esc50")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
