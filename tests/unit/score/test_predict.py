from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from asclf.audio.io import load_audio
from asclf.checkpoint import Checkpoint, load_checkpoint
from asclf.data.labels import LabelMap
from asclf.data.shard_index import ShardIndex
from asclf.errors import AudioError, CheckpointError, DataError
from asclf.score.classifier import CheckpointClassifier
from asclf.score.predict import score_run


@pytest.fixture
def index(tiny_shards: Path) -> ShardIndex:
    return ShardIndex.load(tiny_shards)


@pytest.fixture
def checkpoint(tiny_run: Path) -> Checkpoint:
    return load_checkpoint(tiny_run)


def test_every_clip_is_scored_once_with_its_fold_and_class(
    checkpoint: Checkpoint, index: ShardIndex
) -> None:
    counted: list[int] = []
    scores = score_run(checkpoint, index, index.shards, 4, on_clips=counted.append)
    assert sorted(scores.clip_ids) == sorted(f"{fold}-{i}" for fold in (1, 2) for i in range(9))
    assert sum(counted) == 18
    for clip_id, fold, target in zip(scores.clip_ids, scores.folds, scores.classes, strict=True):
        expected_fold, number = map(int, clip_id.split("-"))
        assert (fold, target) == (expected_fold, number % 3)


def test_a_score_does_not_depend_on_batch_mates(checkpoint: Checkpoint, index: ShardIndex) -> None:
    one, many = (score_run(checkpoint, index, index.shards, size) for size in (1, 7))
    order = [many.clip_ids.index(clip_id) for clip_id in one.clip_ids]
    np.testing.assert_allclose(one.logits, many.logits[order], atol=1e-5)


def test_scoring_and_predicting_a_file_agree(
    checkpoint: Checkpoint, index: ShardIndex, tiny_run: Path
) -> None:
    scores = score_run(checkpoint, index, index.select([1]), 4)
    classifier = CheckpointClassifier(tiny_run)
    row = scores.clip_ids.index("1-3")
    prediction = classifier.predict(index.folder.parent / "1-3.wav")
    logits = torch.from_numpy(scores.logits[row])
    expected = dict(zip(classifier.labels, logits.softmax(0).tolist(), strict=True))
    assert prediction.scores == pytest.approx(expected, abs=1e-4)  # shards hold 16 bit
    assert prediction.clip.endswith("1-3.wav")


def test_model_of_other_classes_is_refused(checkpoint: Checkpoint, index: ShardIndex) -> None:
    other = replace(checkpoint, labels=LabelMap(("cat", "cow", "rain")))
    with pytest.raises(CheckpointError, match="it was trained on 3 classes"):
        score_run(other, index, index.shards, 4)


def test_model_of_another_sample_rate_is_refused(checkpoint: Checkpoint, index: ShardIndex) -> None:
    other = replace(checkpoint, config=replace(checkpoint.config, sample_rate=32_000))
    with pytest.raises(CheckpointError, match="hears 32000 Hz; expected the 16000 Hz"):
        score_run(other, index, index.shards, 4)


def test_model_that_gives_nan_is_refused(checkpoint: Checkpoint, index: ShardIndex) -> None:
    with torch.no_grad():
        next(checkpoint.model.head.parameters()).fill_(float("nan"))  # type: ignore[attr-defined]
    with pytest.raises(CheckpointError, match=r"the logits of 1-\d are not finite"):
        score_run(checkpoint, index, index.select([1]), 4)


def test_shard_with_fewer_clips_than_the_index_says_is_refused(
    checkpoint: Checkpoint, index: ShardIndex
) -> None:
    shards = [replace(shard, clips=shard.clips + 1) for shard in index.select([1])]
    with pytest.raises(DataError):
        score_run(checkpoint, index, shards, 4)


def test_samples_of_any_rate_and_width_are_taken(tiny_run: Path, tmp_path: Path) -> None:
    stereo = 0.1 * np.random.default_rng(1).standard_normal((8_000, 2))
    soundfile.write(tmp_path / "ä b.wav", stereo, 8_000, subtype="FLOAT")
    classifier = CheckpointClassifier(tiny_run)
    from_file = classifier.predict(str(tmp_path / "ä b.wav"))
    from_array = classifier.predict(stereo.astype(np.float32), 8_000)
    assert from_array.scores == pytest.approx(from_file.scores, abs=1e-5)
    resampled = load_audio(tmp_path / "ä b.wav", 16_000)
    assert classifier.predict(resampled).scores == pytest.approx(from_file.scores, abs=1e-5)
    assert sum(from_file.scores.values()) == pytest.approx(1)


def test_clip_shorter_than_a_frame_is_classified(tiny_run: Path) -> None:
    prediction = CheckpointClassifier(tiny_run).predict(np.full(10, 0.1, np.float32))
    assert prediction.label in ("cat", "dog", "rain")


def test_broken_file_is_an_audio_error(tiny_run: Path, tmp_path: Path) -> None:
    (tmp_path / "x.wav").write_bytes(b"")
    with pytest.raises(AudioError, match=r"x\.wav"):
        CheckpointClassifier(tiny_run).predict(tmp_path / "x.wav")
