"""Downloads that go on where they were cut, and are what they should be or an error."""

from __future__ import annotations

import http.client
import json
import logging
import shutil
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import asdict, dataclass
from http import HTTPStatus
from pathlib import Path
from random import SystemRandom

from asclf.data.unpack import extract
from asclf.errors import DataError
from asclf.files import hash_of, sha256_of, whole_folder, write_whole

MARKER = ".fetched.json"
CHUNK = 1 << 18
REPORT_S = 5.0
LONGEST_PAUSE_S = 60.0
PASSING = (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS)

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class RemoteFile:
    """A file to download, and how to tell that it is the right one.

    Attributes:
        url: Where it is, http or https.
        sha256: What it must hash to, in hexadecimal; `None` where that is not known.
        size: Its bytes, where known.
        md5: Its MD5, where a publisher gives that alone: it tells a damaged file, not a forged one.
    """

    url: str
    sha256: str | None
    size: int | None = None
    md5: str | None = None

    @property
    def hashes(self) -> dict[str, str]:
        """What it must hash to, by algorithm."""
        known = {"sha256": self.sha256, "md5": self.md5}
        return {name: value for name, value in known.items() if value is not None}

    def check(self, path: Path) -> None:
        """Compares a file with what it should be.

        Raises:
            DataError: Size or hash differ; says both, and what they should be.
        """
        size = path.stat().st_size
        if self.size not in (None, size):
            raise DataError(f"{size} bytes came", where=self.url, expected=f"{self.size} bytes")
        for name, expected in self.hashes.items():
            found = hash_of(path, name)
            if found != expected:
                raise DataError(
                    f"what came has {name} {found}",
                    where=self.url,
                    expected=expected,
                    hint="the file has changed at its source, or on its way",
                )


def fetch_archive(remote: RemoteFile, folder: Path, *, strip: int = 0) -> None:
    """Downloads an archive and unpacks it into a new folder; does nothing where that is done.

    The folder appears when it is complete. A marker in it says what was fetched, with the SHA-256
    that was found where none is known beforehand.

    Args:
        remote: The archive, zip or tar.gz.
        folder: Where its files go: missing, empty, or left by this very call.
        strip: Leading folders to take off each name.

    Raises:
        DataError: The folder holds something else, or the archive cannot be had, is not the one
            wanted, or is unsafe to unpack.
    """
    if _holds(folder, remote):
        logger.info("%s: fetched already", folder)
        return
    archive = folder.with_name(f"{folder.name}.archive")
    download(remote, archive)
    marker = {**asdict(remote), "sha256": remote.sha256 or _trust(remote, archive)}
    for leftover in folder.parent.glob(f".{folder.name}.*.part"):  # of a killed run
        shutil.rmtree(leftover)
    with whole_folder(folder) as part:
        extract(archive, part, strip=strip)
        write_whole(part / MARKER, json.dumps(marker))
    archive.unlink()


def download(
    remote: RemoteFile,
    target: Path,
    *,
    attempts: int = 5,
    wait_s: float = 1.0,
    timeout_s: float = 30.0,
    retry_wrong: bool = False,
    on_retry: Callable[[str], None] = logger.warning,
) -> None:
    """Downloads a file.

    What has arrived lies in `target` + `.part`. A later attempt, or a later call, asks for the rest
    alone. It starts over where the server cannot give that (GitHub's archives) and where there is
    no hash to show that the pieces fit.

    Args:
        remote: The file.
        target: Where to; a file that is there already and right is kept.
        attempts: How often to try while the server or the line fails.
        wait_s: Pause before the second attempt; each later one is twice as long, up to a minute,
            and all are shortened by up to a half, at random, so that many who were turned away
            together do not come back together.
        timeout_s: Longest silence of the server.
        retry_wrong: Whether to try again where a whole download is not what was wanted.
        on_retry: Told the address and what failed, before another attempt.

    Raises:
        DataError: The server has no such file, every attempt failed, or what came is not what was
            wanted.
    """
    if not remote.url.startswith(("http://", "https://")):
        raise DataError("this is no web address", where=remote.url, expected="http:// or https://")
    if _is_there(remote, target):
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f"{target.name}.part")
    reason: Exception | None = None
    for attempt in range(attempts):
        if attempt:
            on_retry(f"{remote.url}: {reason}; trying again")
            time.sleep(_pause_s(wait_s, attempt))
        try:
            _attempt(remote, part, timeout_s, retry_wrong=retry_wrong)
        except (OSError, http.client.HTTPException) as error:
            reason = error
            continue
        part.replace(target)
        return
    raise DataError(
        f"{attempts} attempts failed, the last one with: {reason}",
        where=remote.url,
        hint="run it again: what has arrived is kept",
    ) from reason


def _is_there(remote: RemoteFile, target: Path) -> bool:
    try:
        remote.check(target)
    except (OSError, DataError):
        return False
    return bool(remote.hashes)


def _pause_s(wait_s: float, attempt: int) -> float:
    longest = min(wait_s * 2.0 ** (attempt - 1), LONGEST_PAUSE_S)
    return longest * SystemRandom().uniform(0.5, 1.0)


def _attempt(remote: RemoteFile, part: Path, timeout_s: float, *, retry_wrong: bool) -> None:
    """Brings `part` up to a whole and right file; `OSError` where another attempt may help."""
    if not remote.hashes:
        logger.warning("%s: no hash is known, so it is not verified", remote.url)
        part.unlink(missing_ok=True)
    have = part.stat().st_size if part.exists() else 0
    if not have or have != remote.size:
        _receive(remote, part, have, timeout_s)
    try:
        remote.check(part)
    except DataError as error:
        part.unlink()
        if have or retry_wrong:  # pieces that do not fit are worth a download of one piece
            raise OSError(f"{error.what}; expected {error.expected}") from error
        raise


def _receive(remote: RemoteFile, part: Path, have: int, timeout_s: float) -> None:
    """Appends to `part` what is missing after `have` bytes, or writes it anew."""
    with _open(remote, part, have, timeout_s) as response:
        goes_on = have > 0 and response.status == HTTPStatus.PARTIAL_CONTENT
        done = have if goes_on else 0
        total = remote.size if response.length is None else done + response.length
        report_at = time.monotonic() + REPORT_S
        with part.open("ab" if goes_on else "wb") as file:
            while chunk := response.read(CHUNK):
                file.write(chunk)
                done += len(chunk)
                if time.monotonic() >= report_at:
                    logger.info("%s: %d of %s bytes", remote.url, done, total or "unknown")
                    report_at += REPORT_S
                if remote.size is not None and done > remote.size:
                    return  # too much already: the check will say so
    if total is not None and done < total:
        raise OSError(f"the connection ended after {done} of {total} bytes")


def _open(remote: RemoteFile, part: Path, have: int, timeout_s: float) -> http.client.HTTPResponse:
    headers = {"User-Agent": "asclf"}
    if have:
        headers["Range"] = f"bytes={have}-"
    request = urllib.request.Request(remote.url, headers=headers)
    try:
        response: http.client.HTTPResponse = urllib.request.urlopen(request, timeout=timeout_s)
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            part.unlink()
        elif error.code < 500 and error.code not in PASSING:
            what = f"the server answers {error.code} {error.reason}"
            raise DataError(what, where=remote.url, hint="is the address right?") from error
        raise
    return response


def _trust(remote: RemoteFile, archive: Path) -> str:
    """Says what came where there was nothing to compare it with; returns its SHA-256."""
    found = sha256_of(archive)
    logger.info("%s: its SHA-256 is %s; later downloads can be held to it", remote.url, found)
    return found


def _holds(folder: Path, remote: RemoteFile) -> bool:
    """Whether the folder is this download's; a folder with anything else is left alone."""
    if not folder.exists() or not any(folder.iterdir()):
        return False
    wanted = {name: value for name, value in asdict(remote).items() if value is not None}
    if _read_marker(folder / MARKER).items() >= wanted.items():
        return True
    raise DataError(
        "the folder holds something else than this download",
        where=folder,
        expected=f"an empty folder, or one with {json.dumps(wanted)} in {MARKER}",
        hint="delete it, or download to another folder",
    )


def _read_marker(path: Path) -> dict[str, object]:
    try:
        marker = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return marker if isinstance(marker, dict) else {}
