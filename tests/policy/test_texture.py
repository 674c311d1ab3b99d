"""The shape of the source: short files, short functions, and no trace of anyone's machine."""

from __future__ import annotations

import ast
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from statistics import median

ROOT = Path(__file__).parents[2]
MOST_FILE_LINES = 500
MOST_FUNCTION_LINES = 60
MEDIAN_FUNCTION_LINES = 10

MACHINE_PATH = re.compile(r"(?<![\w.\-$}])/(?:work|root|home|Users)/\w")


def tracked(pattern: str = "*") -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "-z", pattern], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return [ROOT / name for name in listed.stdout.split("\0") if name]


def functions(path: Path) -> Iterator[tuple[str, int]]:
    """Name and length of every function of a file, in lines."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert node.end_lineno is not None
            yield f"{path.relative_to(ROOT)}: {node.name}", node.end_lineno - node.lineno + 1


def test_no_file_is_long() -> None:
    for path in (*tracked("*.py"), *tracked("*.sh")):
        assert len(path.read_text(encoding="utf-8").splitlines()) <= MOST_FILE_LINES, path


def test_no_function_is_long() -> None:
    lengths = dict(found for path in tracked("*.py") for found in functions(path))
    assert not {name: lines for name, lines in lengths.items() if lines > MOST_FUNCTION_LINES}


def test_functions_of_the_library_are_short() -> None:
    lengths = [lines for path in tracked("asclf/*.py") for _, lines in functions(path)]
    assert len(lengths) > 100
    assert median(lengths) <= MEDIAN_FUNCTION_LINES


def test_no_file_names_a_folder_of_somebodys_machine() -> None:
    for path in tracked():
        found = MACHINE_PATH.search(path.read_text(encoding="utf-8", errors="ignore"))
        assert not found, f"{path}: {found}"


def test_machine_paths_are_recognised() -> None:
    folder = "/".join(["", "home", "somebody", "data"])
    assert MACHINE_PATH.search(f"shards: {folder}")
    assert MACHINE_PATH.search(f'"{folder}"')
    assert not MACHINE_PATH.search(f"https://example.org{folder}")
    assert not MACHINE_PATH.search(f"$HOME{folder}")
