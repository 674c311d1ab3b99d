"""The official release of a dataset: the options by which a recipe fetches it, and fetching it."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path

from asclf.data.download import RemoteFile, fetch_archive


def add_download_arguments(parser: ArgumentParser, official: RemoteFile) -> None:
    """Declares where the release goes, and from where another copy of it can be had."""
    parser.add_argument("--out", type=Path, required=True, help="folder to unpack it into")
    parser.add_argument("--url", default=official.url, help="zip or tar.gz (%(default)s)")
    parser.add_argument(
        "--sha256", default=official.sha256, help="its SHA-256, or none (%(default)s)"
    )


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
