"""What a run knows of its test clips: looked for before it trains, refused, and written down."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from asclf.data.manifest import Clip, write_manifest
from asclf.data.shards import write_shards
from asclf.errors import DataError
from asclf.train.folder import RunFolder
from asclf.train.reproduce import again, compare

Train = Callable[..., Path]

SAMPLE_RATE = 8000


@pytest.fixture
def make_shards(tmp_path: Path) -> Callable[..., Path]:
    """Shards of two folds, six clips each, with the source ids that are given for fold 2."""

    def make_shards(name: str, sources: str) -> Path:
        rng = np.random.default_rng(len(name))
        clips = []
        for fold, ids in ((1, "abcdef"), (2, sources)):
            for i, source in enumerate(ids):
                path = tmp_path / f"{name}-{fold}-{i}.wav"
                soundfile.write(path, 0.1 * rng.standard_normal(2400), SAMPLE_RATE)
                label = ("high", "low", "mid")[i % 3]
                clips.append(Clip(path.stem, path, (label,), fold=fold, source_id=source))
        write_manifest(tmp_path / f"{name}.jsonl", clips)
        write_shards(tmp_path / f"{name}.jsonl", tmp_path / name, sample_rate=SAMPLE_RATE)
        return tmp_path / name

    return make_shards


def found(run: Path) -> list[tuple[str, list[str]]]:
    return [(f["name"], f["leaked"]) for f in json.loads((run / "leakage.json").read_text())]


def test_a_run_without_leakage_says_so(train: Train, make_shards: Callable[..., Path]) -> None:
    run = train("exp", f"data.shards={make_shards('clean', 'uvwxyz')}", "train.epochs=1")
    assert found(run) == [("training", [])]


def test_leakage_is_refused_before_anything_is_made_unless_it_is_allowed(
    train: Train, make_shards: Callable[..., Path], tmp_path: Path
) -> None:
    options = (f"data.shards={make_shards('leaky', 'auvwxy')}", "train.epochs=1")
    with pytest.raises(DataError, match=r"1 of 6 test clips .* --allow-leakage"):
        train("exp", *options)
    assert not (tmp_path / "exp").exists()
    run = train("exp", *options, allow_leakage=True)
    assert found(run) == [("training", ["leaky-1-0"])]
    train("exp", *options, resume=True)  # it was allowed when the run began
    new = again(RunFolder(run), tmp_path / "again")
    assert found(new.path) == found(run)
    assert compare(RunFolder(run), new).identical


def test_weights_that_were_trained_on_a_source_of_the_test_clips_are_refused(
    train: Train, make_shards: Callable[..., Path]
) -> None:
    other = (f"data.shards={make_shards('other', 'ghcijk')}", "train.epochs=1")
    first = train("first", *other, allow_leakage=True)
    options = (f"data.shards={make_shards('clean', 'uvwxyz')}", f"init.checkpoint={first}")
    with pytest.raises(DataError, match="pre-training: 1 of 6 test clips"):
        train("second", *options)
    run = train("second", *options, "train.epochs=1", allow_leakage=True)
    assert found(run) == [("training", []), ("pre-training", ["clean-1-2"])]


def test_what_a_chain_of_pre_trainings_has_heard_is_looked_for_in_any_of_its_checkpoints(
    train: Train, make_shards: Callable[..., Path]
) -> None:
    first = train("first", f"data.shards={make_shards('far', 'ghcijk')}", allow_leakage=True)
    options = (f"data.shards={make_shards('near', 'ghlijk')}", "train.epochs=1")
    epoch = first / "epochs" / "epoch_0004.safetensors"
    second = train("second", *options, f"init.checkpoint={epoch}", allow_leakage=True)
    options = (f"data.shards={make_shards('clean', 'uvwxyz')}", f"init.checkpoint={second}")
    with pytest.raises(DataError, match="pre-training: 1 of 6 test clips"):
        train("third", *options)


def test_weights_whose_data_are_gone_are_taken_with_a_warning(
    train: Train, make_shards: Callable[..., Path], caplog: pytest.LogCaptureFixture
) -> None:
    other = make_shards("other", "ghijkl")
    first = train("first", f"data.shards={other}", "train.epochs=1")
    shutil.rmtree(other)
    options = (f"data.shards={make_shards('clean', 'uvwxyz')}", f"init.checkpoint={first}")
    assert found(train("second", *options, "train.epochs=1")) == [("training", [])]
    assert f"what {first}/final.safetensors was trained on cannot be compared" in caplog.text
