from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
import soundfile

import asclf
from asclf.cli.main import main

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def recordings(tmp_path: Path) -> Path:
    folder = tmp_path / "recordings"
    folder.mkdir()
    for i in range(3):
        noise = 0.1 * np.random.default_rng(i).standard_normal(3_000 * (i + 1))
        soundfile.write(folder / f"{i}.wav", noise, 16_000)
    return folder


def test_bundle_and_checkpoint_give_the_same_embeddings(
    recordings: Path, tiny_run: Path, tiny_bundle: Path, tmp_path: Path, capsys: Capture
) -> None:
    tables = []
    for model in (tiny_run, tiny_bundle):
        out = tmp_path / "x.npy"
        assert main(["embed", str(recordings), "--model", str(model), "--out", str(out)]) == 0
        assert capsys.readouterr().out == f"{out}: 3 embeddings\n"
        tables.append(np.load(out))
    assert tables[0].shape == (3, 12)
    np.testing.assert_allclose(tables[1], tables[0], atol=1e-3, rtol=1e-3)
    single = asclf.load(tiny_bundle).embed(recordings / "1.wav")
    np.testing.assert_array_equal(single, tables[1][1])


def test_broken_files_have_no_row_and_the_others_keep_their_order(
    recordings: Path, tiny_bundle: Path, capsys: Capture
) -> None:
    (recordings / "1.wav").write_text("not audio")
    files = [str(recordings / f"{i}.wav") for i in (2, 1, 0)]
    assert main(["embed", *files, "--model", str(tiny_bundle)]) == 2
    shown = capsys.readouterr()
    rows = list(csv.reader(shown.out.splitlines()))
    assert [row[0] for row in rows] == ["clip", files[0], files[2]]
    assert {len(row) for row in rows} == {13}
    assert shown.err.splitlines()[-1] == "1 of 3 files could not be read"
