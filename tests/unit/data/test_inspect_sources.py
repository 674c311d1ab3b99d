from __future__ import annotations

import re
from pathlib import Path

import pytest

from asclf.data.inspect_sources import list_csv, list_folder
from asclf.errors import DataError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of classes; no file holds audio, since none is opened."""
    names = (
        "dog/1-a.wav",
        "dog/deep/er/2-b.FLAC",
        "dog/notes.txt",
        "hu\u0308ndin 犬/3-c.ogg",  # ü as macOS writes it
        "hündin 犬/it's [1]\n*.mp3",
        "empty/x.m4a",
        "loose.wav",
        ".git/y.wav",
        "dog/._1-a.wav",
        "__MACOSX/dog/z.wav",
    )
    for name in names:
        path = tmp_path / "sounds" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return tmp_path / "sounds"


def test_the_first_folder_is_the_class_at_any_depth(folder: Path) -> None:
    listing = list_folder(folder)
    assert [(entry.clip_id, entry.label) for entry in listing.entries] == [
        ("dog/1-a.wav", "dog"),
        ("dog/deep/er/2-b.FLAC", "dog"),
        ("hu\u0308ndin 犬/3-c.ogg", "hündin 犬"),
        ("hündin 犬/it's [1]\n*.mp3", "hündin 犬"),
    ]
    assert all(entry.path.is_file() for entry in listing.entries)
    assert listing.loose == ("loose.wav",)
    assert listing.empty == ("empty",)
    assert listing.other == {".txt": 1, ".m4a": 1}


@pytest.mark.parametrize(("pattern", "sources"), [(r"^(\d)-", "123"), (r"^\d(?=-)", "123")])
def test_a_source_is_found_in_the_name(folder: Path, pattern: str, sources: str) -> None:
    found = [entry.source_id for entry in list_folder(folder, re.compile(pattern)).entries]
    assert found == [*sources, None]


def test_a_folder_without_classes_says_what_it_has(tmp_path: Path) -> None:
    (tmp_path / "a.wav").touch()
    (tmp_path / "b.aac").touch()
    with pytest.raises(DataError, match=r"1 beside the classes' folders, 1 \.aac"):
        list_folder(tmp_path)
    with pytest.raises(DataError, match="no such folder"):
        list_folder(tmp_path / "absent")


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_columns_may_stand_in_any_order(tmp_path: Path, delimiter: str) -> None:
    table = tmp_path / "t.csv"
    lines = ["Fold,LABEL,remark,path,source_id,split", "3, dog ,x,a/b.wav,s1,Train", ",,,,,"]
    text = "\n".join(lines).replace(",", delimiter)
    table.write_text(f"\ufeff{text}\n", encoding="utf-8")
    (entry,) = list_csv(table, tmp_path / "sounds").entries
    assert entry.path == tmp_path / "sounds" / "a" / "b.wav"
    assert (entry.clip_id, entry.label, entry.fold) == ("a/b.wav", "dog", 3)
    assert (entry.source_id, entry.split) == ("s1", "train")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the column 'path' is missing; there are: none"),
        ("file,label\na,b\n", "the column 'path' is missing; there are: file, label"),
        ("path,label,label\n", "the column 'label' stands there twice"),
        ("path,label\n", "a table without a row"),
        ("path,label\na.wav,\n", "t.csv:2: `label` is empty"),
        ("path,label\na.wav\n", "t.csv:2: `label` is empty"),
        ("path,label\na,x\na,x\n", "t.csv:3: the path 'a' stands in "),
        ("path,label,fold\na,x,one\n", "t.csv:2: `fold` is 'one'"),
        ("path,label,split\na,x,dev\n", "t.csv:2: `split` is 'dev'; expected train, validation"),
        ("path,label,fold\na,x,1\nb,x,\n", "`fold` is given in 1 of 2 rows"),
    ],
)
def test_a_table_that_cannot_be_used_is_one_line(tmp_path: Path, text: str, message: str) -> None:
    table = tmp_path / "t.csv"
    table.write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match=re.escape(message)) as caught:
        list_csv(table, tmp_path)
    assert "\n" not in str(caught.value)


def test_a_table_that_is_no_text_or_absent_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_bytes(b"path,label\n\xff\xfe,x\n")
    with pytest.raises(DataError, match="cannot be read"):
        list_csv(tmp_path / "t.csv", tmp_path)
    with pytest.raises(DataError, match="No such file"):
        list_csv(tmp_path / "absent.csv", tmp_path)
