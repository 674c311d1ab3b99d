from __future__ import annotations

import io
import stat
import tarfile
import zipfile
from pathlib import Path

import pytest

from asclf.data.unpack import extract
from asclf.errors import DataError

pytestmark = pytest.mark.filterwarnings("ignore:Duplicate name")


def _zip(path: Path, *entries: tuple[str | zipfile.ZipInfo, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries:
            archive.writestr(name, content)
    return path


def _files(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_files_and_folders_come_out(tmp_path: Path) -> None:
    archive = _zip(tmp_path / "a.zip", ("top/", b""), ("top/a", b"1"), ("top/é/b c", b"2"))
    extract(archive, tmp_path / "out")
    assert _files(tmp_path / "out") == {"top/a": b"1", "top/é/b c": b"2"}


def test_leading_folders_are_taken_off(tmp_path: Path) -> None:
    archive = _zip(tmp_path / "a.zip", ("top/", b""), ("top/a", b"1"), ("top/sub/b", b"2"))
    extract(archive, tmp_path / "out", strip=1)
    assert _files(tmp_path / "out") == {"a": b"1", "sub/b": b"2"}


@pytest.mark.parametrize(
    "name", ["../evil", "top/../../evil", "/evil", "top\\..\\..\\evil", "C:evil", "C:/evil"]
)
def test_a_name_that_leads_out_is_refused_before_anything_is_written(
    tmp_path: Path, name: str
) -> None:
    archive = _zip(tmp_path / "a.zip", ("good", b"1"), (name, b"2"))
    with pytest.raises(DataError, match="leads out of the folder"):
        extract(archive, tmp_path / "out")
    assert list(tmp_path.iterdir()) == [archive]


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR])
def test_links_and_devices_are_refused(tmp_path: Path, kind: int) -> None:
    entry = zipfile.ZipInfo("link")
    entry.external_attr = (kind | 0o777) << 16
    archive = _zip(tmp_path / "a.zip", ("good", b"1"), (entry, b"/etc/passwd"))
    with pytest.raises(DataError, match=r"a\.zip: link: the entry is a link or a device"):
        extract(archive, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_no_link_that_is_there_already_is_followed(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "a").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(DataError):
        extract(_zip(tmp_path / "a.zip", ("a", b"1")), tmp_path / "out")
    assert not (tmp_path / "elsewhere").exists()


def test_a_file_that_occurs_twice_is_refused(tmp_path: Path) -> None:
    archive = _zip(tmp_path / "a.zip", ("a", b"1"), ("a", b"2"))
    with pytest.raises(DataError, match="a file occurs twice"):
        extract(archive, tmp_path / "out")


@pytest.mark.parametrize("limit", [{"max_files": 2}, {"max_bytes": 2999}])
def test_an_archive_beyond_the_limits_is_refused_before_anything_is_written(
    tmp_path: Path, limit: dict[str, int]
) -> None:
    archive = _zip(tmp_path / "a.zip", *((name, bytes(1000)) for name in "abc"))
    with pytest.raises(DataError, match="3 files and 3000 bytes"):
        extract(archive, tmp_path / "out", **limit)
    assert not (tmp_path / "out").exists()
    extract(archive, tmp_path / "out", max_files=3, max_bytes=3000)


@pytest.mark.parametrize("damage", ["cut", "flipped", "text"])
def test_a_broken_archive_is_an_error(tmp_path: Path, damage: str) -> None:
    archive = _zip(tmp_path / "a.zip", ("a", bytes(range(256)) * 100))
    content = bytearray(archive.read_bytes())
    if damage == "cut":
        del content[len(content) // 2 :]
    elif damage == "flipped":
        content[100] ^= 0xFF
    else:
        content[:] = b"<html>404</html>"
    archive.write_bytes(content)
    with pytest.raises(DataError, match="the archive is broken"):
        extract(archive, tmp_path / "out")


def test_a_missing_archive_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be unpacked"):
        extract(tmp_path / "none.zip", tmp_path / "out")


def test_a_name_shorter_than_what_is_taken_off_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="the name is too short"):
        extract(_zip(tmp_path / "a.zip", ("a", b"1")), tmp_path / "out", strip=1)


# tar.gz ------------------------------------------------------------------------------------------


def _tar(path: Path, *entries: tuple[str, bytes], kind: bytes = tarfile.REGTYPE) -> Path:
    """An archive of files; `kind` is that of the last entry."""
    with tarfile.open(path, "w:gz") as archive:
        for i, (name, content) in enumerate(entries, 1):
            entry = tarfile.TarInfo(name)
            entry.type = kind if i == len(entries) else tarfile.REGTYPE
            entry.size = len(content) if entry.isreg() else 0
            entry.linkname = "/etc/passwd"
            archive.addfile(entry, io.BytesIO(content))
    return path


def test_files_of_a_tar_come_out_without_leading_folders_and_litter_of_macos(
    tmp_path: Path,
) -> None:
    entries = (("./._top", b"0"), ("./top/a", b"1"), ("./top/sub/b c", b"2"), ("./top/._a", b"0"))
    extract(_tar(tmp_path / "a.tar.gz", *entries), tmp_path / "out", strip=1)
    assert _files(tmp_path / "out") == {"a": b"1", "sub/b c": b"2"}


@pytest.mark.parametrize("name", ["../evil", "top/../../evil", "/evil", "C:/evil", "..\\evil"])
def test_a_name_in_a_tar_that_leads_out_is_refused(tmp_path: Path, name: str) -> None:
    archive = _tar(tmp_path / "a.tar.gz", (name, b"1"), ("good", b"2"))
    with pytest.raises(DataError, match="leads out of the folder"):
        extract(archive, tmp_path / "out")
    assert list(tmp_path.iterdir()) == [archive]


@pytest.mark.parametrize(
    "kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE]
)
def test_links_and_devices_in_a_tar_are_refused(tmp_path: Path, kind: bytes) -> None:
    archive = _tar(tmp_path / "a.tar.gz", ("link", b""), kind=kind)
    with pytest.raises(DataError, match=r"a\.tar\.gz: link: the entry is a link or a device"):
        extract(archive, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_file_that_occurs_twice_in_a_tar_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="a file occurs twice"):
        extract(_tar(tmp_path / "a.tar.gz", ("a", b"1"), ("./a", b"2")), tmp_path / "out")


@pytest.mark.parametrize("limit", [{"max_files": 2}, {"max_bytes": 2999}])
def test_a_tar_beyond_the_limits_is_given_up(tmp_path: Path, limit: dict[str, int]) -> None:
    archive = _tar(tmp_path / "a.tar.gz", *((name, bytes(1000)) for name in "abc"))
    with pytest.raises(DataError, match="3 files and 3000 bytes"):
        extract(archive, tmp_path / "out", **limit)
    assert sorted(_files(tmp_path / "out")) == ["a", "b"]


@pytest.mark.parametrize("damage", ["cut", "flipped"])
def test_a_broken_tar_is_an_error(tmp_path: Path, damage: str) -> None:
    archive = _tar(tmp_path / "a.tar.gz", ("a", bytes(range(256)) * 100), ("b", b"2"))
    content = bytearray(archive.read_bytes())
    if damage == "cut":
        del content[len(content) // 2 :]
    else:
        content[len(content) // 2] ^= 0xFF
    archive.write_bytes(content)
    with pytest.raises(DataError, match="the archive is broken"):
        extract(archive, tmp_path / "out")
