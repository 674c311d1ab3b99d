from __future__ import annotations

import shlex
import subprocess
from pathlib import Path

import pytest

from asclf.score import provenance
from asclf.score.provenance import portable_command


def test_folders_of_this_machine_become_variables() -> None:
    environment = {"ASCLF_DATA": "/data/sets/", "HOME": "/data", "PWD": "/data/project"}
    arguments = ["run.sh", "--data-dir", "/data/sets/ESC-50", "data.shards=/data/x y", "exp/a"]
    assert portable_command(arguments, environment) == (
        'run.sh --data-dir "$ASCLF_DATA"/ESC-50 data.shards="$HOME"\'/x y\' exp/a'
    )


def test_folder_is_replaced_only_as_a_whole() -> None:
    assert portable_command(["/data/a", "/database", "x/data"], {"HOME": "/data"}) == (
        '"$HOME"/a /database x/data'
    )


def test_shell_gives_the_arguments_back(tmp_path: Path) -> None:
    arguments = ["x", f"{tmp_path}/it's $HOME", f"--set=a b={tmp_path}", "é", ""]
    command = portable_command(arguments, {"HOME": str(tmp_path)})
    assert str(tmp_path) not in command
    shown = subprocess.run(
        ["sh", "-c", f"printf '%s\\n' {command}"],
        env={"HOME": str(tmp_path), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert shown.stdout.split("\n")[:-1] == arguments


def test_without_variables_it_is_plain_quoting() -> None:
    assert portable_command(["a b", "c"], {}) == shlex.join(["a b", "c"])


def git(folder: Path, *arguments: str) -> None:
    identity = ["-c", "user.name=x", "-c", "user.email=x@example.org", "-c", "commit.gpgsign=false"]
    subprocess.run(["git", "-C", str(folder), *identity, *arguments], check=True)


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout of its own that the package seems to run from."""
    for name in ("asclf/__init__.py", "egs/x/RESULTS.md", "egs/x/EXPERIMENTS.md", "egs/x/run.sh"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("", encoding="utf-8")
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", "asclf", "egs")
    git(tmp_path, "commit", "-q", "-m", "first")
    monkeypatch.setattr(provenance.asclf, "__file__", str(tmp_path / "asclf/__init__.py"))
    return tmp_path


def test_commit_is_marked_where_a_file_differs(checkout: Path) -> None:
    clean = provenance.git_commit()
    assert clean is not None
    assert len(clean) == 12
    (checkout / "egs/x/RESULTS.md").write_text("a result", encoding="utf-8")
    (checkout / "egs/x/EXPERIMENTS.md").write_text("a result", encoding="utf-8")
    assert provenance.git_commit() == clean
    (checkout / "egs/x/run.sh").write_text("echo", encoding="utf-8")
    assert provenance.git_commit() == f"{clean}+changes"


def test_installed_package_inside_a_foreign_checkout_has_no_commit(checkout: Path) -> None:
    git(checkout, "rm", "-q", "--cached", "asclf/__init__.py")
    assert provenance.git_commit() is None
