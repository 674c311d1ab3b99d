"""The official release of a dataset: the options by which a recipe fetches it, and fetching it."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace, RawDescriptionHelpFormatter
from pathlib import Path

from asclf.data.download import RemoteFile, fetch_archive


def release_parser(text: str | None, official: RemoteFile) -> tuple[ArgumentParser, ArgumentParser]:
    """The command line of a recipe's `prepare.py`: the stages `download` and `manifest`.

    Args:
        text: What the script does; printed by `--help` as it stands.
        official: Where the release is.

    Returns:
        The parser, and that of the stage `manifest`, which lacks what only this dataset has.
    """
    parser = ArgumentParser(description=text, formatter_class=RawDescriptionHelpFormatter)
    stages = parser.add_subparsers(dest="stage", required=True)
    download = stages.add_parser("download", help="fetch and unpack the official release")
    download.add_argument("--out", type=Path, required=True, help="folder to unpack it into")
    download.add_argument("--url", default=official.url, help="zip or tar.gz (%(default)s)")
    download.add_argument(
        "--sha256", default=official.sha256, help="its SHA-256, or none (%(default)s)"
    )
    manifest = stages.add_parser("manifest", help="write the manifest of a copy")
    manifest.add_argument("--out", type=Path, required=True, help="manifest to write (.jsonl)")
    return parser, manifest


def fetch_release(options: Namespace, official: RemoteFile, *, strip: int = 0) -> None:
    """Fetches and unpacks the release, or nothing where that is done.

    Args:
        options: What was given for the declared arguments.
        official: The release; its size and MD5 hold for its own address and hash alone.
        strip: Leading folders to take off each name.

    Raises:
        DataError: As `fetch_archive`.
    """
    remote = official
    if (options.url, options.sha256) != (official.url, official.sha256):
        remote = RemoteFile(options.url, None if options.sha256 == "none" else options.sha256)
    fetch_archive(remote, options.out, strip=strip)
