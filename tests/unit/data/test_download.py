from __future__ import annotations

import hashlib
import io
import logging
import tarfile
import threading
import zipfile
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from asclf.data.download import RemoteFile, download, fetch_archive
from asclf.errors import DataError

CONTENT = bytes(range(256)) * 4000


class Server(ThreadingHTTPServer):
    """Serves `content`, with one fault per request as long as there are any in `faults`."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.content = CONTENT
        self.faults: list[str] = []
        self.always: str | None = None
        self.ranges: list[str | None] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/file.zip"


class Handler(BaseHTTPRequestHandler):
    server: Server
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        server = self.server
        fault = server.always or (server.faults.pop(0) if server.faults else "")
        asked = self.headers.get("Range")
        server.ranges.append(asked)
        if fault.isdigit():
            self.send_response(int(fault))
            self.send_header("Content-Length", "0")
            self.end_headers()
            return None
        start = 0
        if asked and fault != "ignore range":
            start = int(asked.removeprefix("bytes=").rstrip("-"))
        if start >= len(server.content):
            return self.send_error(416)
        body = server.content[start:]
        self.send_response(206 if start else 200)
        if fault != "no length":
            length = len(body) // 2 if fault == "understate" else len(body)
            self.send_header("Content-Length", str(length))
        self.send_header("Connection", "close")
        self.close_connection = True
        if start:
            end = len(server.content)
            self.send_header("Content-Range", f"bytes {start}-{end - 1}/{end}")
        self.end_headers()
        if fault == "corrupt":
            body = bytes([body[0] ^ 1]) + body[1:]
        self.wfile.write(body[: len(body) // 2] if fault == "cut" else body)
        return None

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def _remote(server: Server, content: bytes = CONTENT, **changes: object) -> RemoteFile:
    facts = {"sha256": hashlib.sha256(content).hexdigest(), "size": len(content), **changes}
    return RemoteFile(server.url, **facts)


def _download(remote: RemoteFile, target: Path, **options: object) -> None:
    download(remote, target, **{"wait_s": 0.0, "timeout_s": 5.0, **options})


def test_a_file_is_downloaded_and_its_progress_logged(
    server: Server,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr("asclf.data.download.REPORT_S", 0.0)
    target = tmp_path / "deep" / "file.zip"
    with caplog.at_level(logging.INFO):
        _download(_remote(server), target)
    assert target.read_bytes() == CONTENT
    assert f"{len(CONTENT)} of {len(CONTENT)} bytes" in caplog.text
    assert [path.name for path in target.parent.iterdir()] == ["file.zip"]


def test_a_file_that_is_there_is_not_fetched_again(server: Server, tmp_path: Path) -> None:
    target = tmp_path / "file.zip"
    target.write_bytes(CONTENT)
    _download(_remote(server), target)
    assert server.ranges == []


@pytest.mark.parametrize("content", [CONTENT[:-1], b"x" + CONTENT[1:]])
def test_a_file_that_is_there_and_wrong_is_replaced(
    server: Server, tmp_path: Path, content: bytes
) -> None:
    target = tmp_path / "file.zip"
    target.write_bytes(content)
    _download(_remote(server), target)
    assert target.read_bytes() == CONTENT


@pytest.mark.parametrize("size", [len(CONTENT), None])
def test_a_cut_download_goes_on_where_it_was_cut(
    server: Server, tmp_path: Path, size: int | None
) -> None:
    server.faults = ["cut", "cut"]
    _download(_remote(server, size=size), tmp_path / "file.zip")
    assert (tmp_path / "file.zip").read_bytes() == CONTENT
    half, rest = len(CONTENT) // 2, len(CONTENT) // 4
    assert server.ranges == [None, f"bytes={half}-", f"bytes={half + rest}-"]


def test_a_later_call_goes_on_as_well(server: Server, tmp_path: Path) -> None:
    server.always = "cut"
    with pytest.raises(DataError, match="what has arrived is kept"):
        _download(_remote(server), tmp_path / "file.zip", attempts=1)
    assert not (tmp_path / "file.zip").exists()
    server.always = None
    _download(_remote(server), tmp_path / "file.zip")
    assert (tmp_path / "file.zip").read_bytes() == CONTENT
    assert server.ranges == [None, f"bytes={len(CONTENT) // 2}-"]


def test_a_server_without_ranges_is_asked_for_the_whole(server: Server, tmp_path: Path) -> None:
    server.faults = ["cut", "ignore range"]
    _download(_remote(server), tmp_path / "file.zip")
    assert (tmp_path / "file.zip").read_bytes() == CONTENT


def test_a_cut_without_a_declared_length_is_noticed_by_the_size(
    server: Server, tmp_path: Path
) -> None:
    server.content = CONTENT[:1000]
    server.faults = ["no length"]
    with pytest.raises(DataError, match="ended after 1000 of 1024000 bytes"):
        _download(_remote(server), tmp_path / "file.zip", attempts=1)


def test_a_server_that_says_there_is_less_is_not_believed(server: Server, tmp_path: Path) -> None:
    server.always = "understate"
    with pytest.raises(DataError, match="bytes came"):
        _download(_remote(server), tmp_path / "file.zip")
    assert list(tmp_path.iterdir()) == []


def test_an_md5_is_enough_to_go_on_and_to_compare(server: Server, tmp_path: Path) -> None:
    md5 = hashlib.md5(CONTENT).hexdigest()
    server.faults = ["cut"]
    _download(_remote(server, sha256=None, md5=md5), tmp_path / "file.zip")
    assert (tmp_path / "file.zip").read_bytes() == CONTENT
    assert server.ranges == [None, f"bytes={len(CONTENT) // 2}-"]
    with pytest.raises(DataError, match=f"what came has md5 {md5}"):
        _download(_remote(server, sha256=None, md5="0" * 32), tmp_path / "other.zip")


def test_pieces_that_do_not_fit_are_fetched_again_in_one(server: Server, tmp_path: Path) -> None:
    (tmp_path / "file.zip.part").write_bytes(b"of another release")
    _download(_remote(server), tmp_path / "file.zip")
    assert (tmp_path / "file.zip").read_bytes() == CONTENT
    assert server.ranges == ["bytes=18-", None]


@pytest.mark.parametrize("size", [len(CONTENT), None])
@pytest.mark.parametrize("extra", [0, 5])
def test_a_part_that_is_complete_or_too_long_does_no_harm(
    server: Server, tmp_path: Path, size: int | None, extra: int
) -> None:
    (tmp_path / "file.zip.part").write_bytes(CONTENT + bytes(extra))
    _download(_remote(server, size=size), tmp_path / "file.zip")
    assert (tmp_path / "file.zip").read_bytes() == CONTENT


def test_a_corrupt_download_says_what_came_and_what_was_expected(
    server: Server, tmp_path: Path
) -> None:
    server.always = "corrupt"
    remote = _remote(server)
    with pytest.raises(DataError) as caught:
        _download(remote, tmp_path / "file.zip")
    came = hashlib.sha256(b"\1" + CONTENT[1:]).hexdigest()
    assert came in caught.value.what
    assert caught.value.expected == remote.sha256
    assert len(server.ranges) == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("size", [1000, len(CONTENT) + 1])
def test_a_download_of_another_size_is_refused(server: Server, tmp_path: Path, size: int) -> None:
    with pytest.raises(DataError):
        _download(_remote(server, size=size), tmp_path / "file.zip")
    assert not (tmp_path / "file.zip").exists()


@pytest.mark.parametrize("code", ["500", "503", "429"])
def test_a_passing_fault_of_the_server_is_waited_out(
    server: Server, tmp_path: Path, code: str
) -> None:
    server.faults = [code, code]
    _download(_remote(server), tmp_path / "file.zip")
    assert (tmp_path / "file.zip").read_bytes() == CONTENT


@pytest.mark.parametrize("code", ["404", "403"])
def test_a_file_that_does_not_exist_is_asked_for_once(
    server: Server, tmp_path: Path, code: str
) -> None:
    server.always = code
    with pytest.raises(DataError, match=f"answers {code}"):
        _download(_remote(server), tmp_path / "file.zip")
    assert len(server.ranges) == 1


def test_pauses_between_attempts_double(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses: list[float] = []
    monkeypatch.setattr("time.sleep", pauses.append)
    server.always = "503"
    with pytest.raises(DataError, match="9 attempts failed"):
        download(_remote(server), tmp_path / "file.zip", attempts=9)
    longest = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0]
    assert all(most / 2 <= pause <= most for pause, most in zip(pauses, longest, strict=True))
    assert pauses != longest


def test_a_wrong_download_is_tried_again_where_that_is_wanted(
    server: Server, tmp_path: Path
) -> None:
    server.faults = ["corrupt", "corrupt"]
    told: list[str] = []
    _download(_remote(server), tmp_path / "file.zip", retry_wrong=True, on_retry=told.append)
    assert (tmp_path / "file.zip").read_bytes() == CONTENT
    assert server.ranges == [None, None, None]
    assert len(told) == 2
    assert told[0].startswith(f"{server.url}: what came has sha256 ")


def test_an_address_that_no_one_answers_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="2 attempts failed"):
        _download(RemoteFile("http://127.0.0.1:9/file.zip", "0" * 64), tmp_path / "f", attempts=2)


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://host/file", "file.zip"])
def test_only_web_addresses_are_opened(tmp_path: Path, url: str) -> None:
    with pytest.raises(DataError, match="no web address"):
        _download(RemoteFile(url, None), tmp_path / "f")


def test_without_a_checksum_nothing_is_pieced_together_or_kept(
    server: Server, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    target = tmp_path / "file.zip"
    target.write_bytes(CONTENT)
    (tmp_path / "file.zip.part").write_bytes(CONTENT[:10])
    _download(_remote(server, sha256=None), target)
    assert server.ranges == [None]
    assert "not verified" in caplog.text


# Archives ----------------------------------------------------------------------------------------


def _zip(**files: bytes) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, content in files.items():
            archive.writestr(f"release-1/{name}", content)
    return stream.getvalue()


@pytest.fixture
def archive(server: Server) -> Callable[[], RemoteFile]:
    server.content = _zip(a=b"first", b=b"second")
    return lambda: _remote(server, server.content)


def test_an_archive_is_fetched_once(archive, server: Server, tmp_path: Path) -> None:
    folder = tmp_path / "data"
    for _ in range(2):
        fetch_archive(archive(), folder, strip=1)
        assert (folder / "a").read_bytes() == b"first"
        assert (folder / "b").read_bytes() == b"second"
    assert server.ranges == [None]
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


def test_an_archive_that_cannot_be_unpacked_leaves_no_folder(
    server: Server, tmp_path: Path
) -> None:
    server.content = _zip(a=b"first")[:-30]
    with pytest.raises(DataError, match="the archive is broken"):
        fetch_archive(_remote(server, server.content), tmp_path / "data", strip=1)
    assert not (tmp_path / "data").exists()


def test_leftovers_of_a_killed_run_are_cleared(archive, tmp_path: Path) -> None:
    leftover = tmp_path / ".data.77.part" / "a"
    leftover.parent.mkdir()
    leftover.write_bytes(b"fi")
    fetch_archive(archive(), tmp_path / "data", strip=1)
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


@pytest.mark.parametrize("name", ["mine.wav", ".fetched.json"])
def test_a_folder_of_somebody_else_is_left_alone(
    archive, server: Server, tmp_path: Path, name: str
) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / name).write_text("{}")
    with pytest.raises(DataError, match="holds something else"):
        fetch_archive(archive(), folder, strip=1)
    assert [path.name for path in folder.iterdir()] == [name]
    assert server.ranges == []


def test_an_empty_folder_is_filled(archive, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    fetch_archive(archive(), tmp_path / "data", strip=1)
    assert (tmp_path / "data" / "a").exists()


def test_an_archive_without_a_checksum_is_remembered_by_the_one_that_came(
    server: Server, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as tar:
        entry = tarfile.TarInfo("release/a")
        entry.size = 5
        tar.addfile(entry, io.BytesIO(b"first"))
    server.content = stream.getvalue()
    remote = RemoteFile(server.url, sha256=None)
    with caplog.at_level(logging.INFO):
        for _ in range(2):
            fetch_archive(remote, tmp_path / "data", strip=1)
    sha256 = hashlib.sha256(server.content).hexdigest()
    assert (tmp_path / "data" / "a").read_bytes() == b"first"
    assert f"its SHA-256 is {sha256}" in caplog.text
    assert server.ranges == [None]
    fetch_archive(RemoteFile(server.url, sha256), tmp_path / "data", strip=1)
    with pytest.raises(DataError, match="holds something else"):
        fetch_archive(RemoteFile(server.url, "0" * 64), tmp_path / "data", strip=1)
