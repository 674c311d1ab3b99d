from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from asclf.errors import CheckpointError, DataError
from asclf.weights.reading import read_labels, read_weights

WEIGHTS = {"a.weight": torch.arange(6.0).reshape(2, 3), "a.bias": torch.ones(2)}


def test_weights_of_torch_and_of_safetensors_are_read_alike(tmp_path: Path) -> None:
    torch.save(WEIGHTS, tmp_path / "a.pt")
    save_file(WEIGHTS, tmp_path / "a.safetensors")
    for name in ("a.pt", "a.safetensors"):
        found = read_weights(tmp_path / name)
        assert found.keys() == WEIGHTS.keys()
        assert all(torch.equal(found[key], WEIGHTS[key]) for key in WEIGHTS)


class Harmful:
    """Writes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> object:
        return Path.write_text, (self.path, "done")


def test_nothing_in_a_file_is_run(tmp_path: Path) -> None:
    torch.save({"a.weight": Harmful(tmp_path / "trace")}, tmp_path / "a.pt")
    with pytest.raises(CheckpointError, match=r"a\.pt: cannot be read"):
        read_weights(tmp_path / "a.pt")
    assert not (tmp_path / "trace").exists()


@pytest.mark.parametrize("name", ["a.pt", "a.safetensors"])
@pytest.mark.parametrize("content", [b"", b"no weights at all"])
def test_a_file_of_something_else_is_refused(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(CheckpointError, match="cannot be read"):
        read_weights(tmp_path / name)


@pytest.mark.parametrize("name", ["a.pt", "a.safetensors"])
def test_a_file_that_is_cut_short_is_refused(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    save_file(WEIGHTS, path) if path.suffix == ".safetensors" else torch.save(WEIGHTS, path)
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(CheckpointError, match="cannot be read"):
        read_weights(path)


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"absent\.pt: cannot be read: .*No such file"):
        read_weights(tmp_path / "absent.pt")


@pytest.mark.parametrize("content", [[1, 2], {"epoch": 3, "model": WEIGHTS}, {1: torch.ones(2)}])
def test_what_is_no_set_of_weights_is_refused(tmp_path: Path, content: object) -> None:
    torch.save(content, tmp_path / "a.pt")
    with pytest.raises(CheckpointError, match=r"this is no set of weights; expected weights by"):
        read_weights(tmp_path / "a.pt")


def test_labels_are_lines(tmp_path: Path) -> None:
    (tmp_path / "names.txt").write_text("dog\n sea waves \n\ncat\n", encoding="utf-8")
    assert read_labels(tmp_path / "names.txt").names == ("dog", "sea waves", "cat")


def test_labels_are_a_column_of_audiosets_table(tmp_path: Path) -> None:
    table = 'index,mid,display_name\n0,/m/1,"Speech"\n1,/m/2,"Male speech, man speaking"\n'
    (tmp_path / "classes.csv").write_text(table, encoding="utf-8")
    found = read_labels(tmp_path / "classes.csv").names
    assert found == ("Speech", "Male speech, man speaking")


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("names.txt", "dog\ncat\ndog\n", "'dog' occurs twice"),
        ("names.txt", "", "without a label"),
        ("classes.csv", "index,name\n0,dog\n", "no column 'display_name'"),
    ],
)
def test_labels_that_cannot_be_used_are_refused(
    tmp_path: Path, name: str, text: str, message: str
) -> None:
    (tmp_path / name).write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match=message):
        read_labels(tmp_path / name)


def test_labels_that_are_not_there_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="the names of the classes cannot be read"):
        read_labels(tmp_path / "names.txt")
