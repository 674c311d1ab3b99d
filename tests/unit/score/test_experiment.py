from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from asclf.checkpoint import FINAL, Checkpoint, CheckpointMeta, load_checkpoint, save_checkpoint
from asclf.config import ExperimentConfig
from asclf.config.component import Component
from asclf.data.manifest import Split, read_manifest, write_manifest
from asclf.data.shard_index import ShardIndex
from asclf.data.shards import write_shards
from asclf.errors import CheckpointError, DataError
from asclf.registry import LOSSES
from asclf.score.calibration import fit_temperature
from asclf.score.experiment import score_experiment
from asclf.score.predict import score_run
from asclf.score.report_page import to_markdown
from asclf.score.runs import config_sha256, find_runs, read_run, setting_sha256


def rewrite_config(run: Path, config: ExperimentConfig) -> None:
    checkpoint = load_checkpoint(run)
    meta = CheckpointMeta(config.to_yaml(), checkpoint.labels.names, 2)
    save_checkpoint(run / FINAL, checkpoint.model, meta)


def config_of(run: Path) -> ExperimentConfig:
    checkpoint: Checkpoint = load_checkpoint(run)
    return checkpoint.config


def test_all_folds_are_pooled_and_unreadable_clips_counted(tiny_experiment: Path) -> None:
    report, scores = score_experiment(tiny_experiment, command="x")
    assert report.name == "tiny"
    assert [(fold.fold, fold.clips) for fold in report.folds] == [(1, 9), (2, 9)]
    assert report.clips == len(set(scores.clip_ids)) == 18
    assert report.correct == int((scores.logits.argmax(axis=1) == scores.classes).sum())
    assert report.weights == "last epochs averaged: 2"
    assert report.clips_skipped == 1
    assert report.skipped[0].startswith("2-broken:")
    assert report.partial


def test_one_fold_of_the_experiment_is_partial(tiny_experiment: Path) -> None:
    report, scores = score_experiment(tiny_experiment, [1], command="x")
    assert np.unique(scores.folds).tolist() == [1]
    assert report.folds_known == (1, 2)
    assert report.scope == "single fold 1 of 1, 2, partial"
    assert report.clips_skipped == 0


def test_folds_that_the_shards_lack_are_known(tiny_experiment: Path) -> None:
    report, _ = score_experiment(tiny_experiment, official_folds=5, command="x")
    assert report.folds_known == (1, 2, 3, 4, 5)
    assert report.partial


def test_unfinished_fold_is_left_out_with_a_warning(
    tiny_experiment: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tiny_experiment / "fold2" / "summary.json").unlink()
    assert [run.name for run in find_runs(tiny_experiment, None)] == ["fold1"]
    assert "fold2: its training has not ended" in caplog.text


def test_runs_come_in_the_order_of_their_folds(tmp_path: Path) -> None:
    for fold in (10, 9, 1):
        (tmp_path / f"fold{fold}").mkdir()
        (tmp_path / f"fold{fold}" / "summary.json").touch()
    assert [run.name for run in find_runs(tmp_path, None)] == ["fold1", "fold9", "fold10"]


def test_unfinished_fold_is_an_error_when_asked_for(tiny_experiment: Path) -> None:
    with pytest.raises(CheckpointError, match=r"fold3: there is no finished run.*fold1"):
        find_runs(tiny_experiment, [3])


def test_experiment_without_a_run_says_to_train(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="train it first: asclf train"):
        find_runs(tmp_path, None)


def test_runs_of_two_configurations_are_not_pooled(tiny_experiment: Path) -> None:
    run = tiny_experiment / "fold2"
    rewrite_config(run, replace(config_of(run), seed=7))
    with pytest.raises(CheckpointError, match="by another configuration than fold1"):
        score_experiment(tiny_experiment, command="x")


def test_runs_on_two_datasets_are_not_pooled(tiny_experiment: Path) -> None:
    other = json.dumps({"manifest_hash": "0" * 64})
    (tiny_experiment / "fold2" / "data.json").write_text(other, encoding="utf-8")
    with pytest.raises(CheckpointError, match="on other data than fold1"):
        score_experiment(tiny_experiment, command="x")


def test_shards_written_anew_from_another_manifest_are_not_scored(tiny_experiment: Path) -> None:
    other = json.dumps({"manifest_hash": "0" * 64})
    (tiny_experiment / "fold2" / "data.json").write_text(other, encoding="utf-8")
    with pytest.raises(DataError, match="made from another manifest"):
        score_experiment(tiny_experiment, [2], command="x")


def test_runs_from_other_weights_of_one_name_are_not_pooled(tiny_experiment: Path) -> None:
    for fold, sha256 in ((1, "ab" * 32), (2, "cd" * 32)):
        path = tiny_experiment / f"fold{fold}" / "data.json"
        facts = json.loads(path.read_text(encoding="utf-8"))
        path.write_text(json.dumps({**facts, "init_sha256": sha256}), encoding="utf-8")
    with pytest.raises(CheckpointError, match="from other weights than fold1"):
        score_experiment(tiny_experiment, command="x")
    report, _ = score_experiment(tiny_experiment, [2], command="x")
    assert report.init_sha256 == "cd" * 32


def test_seeds_of_one_configuration_have_a_setting_in_common(tiny_experiment: Path) -> None:
    config = config_of(tiny_experiment / "fold1")
    other = replace(config, train=replace(config.train, epochs=3))
    assert setting_sha256(replace(config, seed=9)) == setting_sha256(config)
    assert setting_sha256(config) == config_sha256(replace(config, seed=0))
    assert setting_sha256(other) != setting_sha256(config)


def test_configuration_hash_ignores_the_fold_and_the_folder_of_shards(
    tiny_experiment: Path,
) -> None:
    config = config_of(tiny_experiment / "fold1")
    moved = replace(config, data=replace(config.data, shards="elsewhere", test_fold=None))
    assert config_sha256(moved) == config_sha256(config)
    assert config_sha256(replace(config, seed=9)) != config_sha256(config)


def leave_no_fold_out(experiment: Path, shards: Path) -> None:
    """Makes an experiment's first run the only one, `all`, on some shards."""
    shutil.rmtree(experiment / "fold2")
    run = (experiment / "fold1").rename(experiment / "all")
    config = config_of(run)
    data = replace(config.data, test_fold=None, shards=str(shards))
    rewrite_config(run, replace(config, data=data))
    facts = {"manifest_hash": ShardIndex.load(shards).manifest_hash}
    (run / "data.json").write_text(json.dumps(facts), encoding="utf-8")


def test_model_trained_on_every_fold_is_refused(tiny_experiment: Path, tiny_shards: Path) -> None:
    leave_no_fold_out(tiny_experiment, tiny_shards)
    with pytest.raises(CheckpointError, match="trained on every clip"):
        score_experiment(tiny_experiment, command="x")


def test_run_that_left_no_fold_out_is_scored_on_the_split_test(
    tiny_experiment: Path, tiny_shards: Path, tmp_path: Path
) -> None:
    splits: dict[int | None, Split] = {1: "train", 2: "test"}
    manifest = tmp_path / "splits.jsonl"
    write_manifest(
        manifest,
        [
            replace(clip, split=splits[clip.fold], fold=None)
            for clip in read_manifest(tiny_shards.parent / "manifest.jsonl")
            if clip.clip_id != "2-broken"
        ],
    )
    write_shards(manifest, tmp_path / "splits", sample_rate=16_000)
    leave_no_fold_out(tiny_experiment, tmp_path / "splits")
    report, scores = score_experiment(tiny_experiment, command="x")
    assert {clip_id[0] for clip_id in scores.clip_ids} == {"2"}
    assert [(fold.title, fold.clips) for fold in report.folds] == [("test", 9)]
    assert (report.scope, report.folds_known, report.partial) == ("split test", (), False)
    part, _ = score_experiment(tiny_experiment, command="x", missing="two words")
    assert part.scope == "split test, partial"
    assert "| missing | two words |" in to_markdown(part)


def test_labels_that_may_be_heard_together_are_scored_as_such(
    tiny_experiment: Path, tiny_shards: Path, tmp_path: Path
) -> None:
    clips = [
        replace(clip, labels=("cat", "dog") if i % 2 else clip.labels, source_id=f"rec{i % 5}")
        for i, clip in enumerate(read_manifest(tiny_shards.parent / "manifest.jsonl"))
    ]
    write_manifest(tmp_path / "tags.jsonl", clips)
    index = write_shards(tmp_path / "tags.jsonl", tmp_path / "tags_16000", sample_rate=16_000)
    shutil.rmtree(tiny_experiment / "fold2")
    run = tiny_experiment / "fold1"
    config = config_of(run)
    data = replace(config.data, shards=str(index.folder))
    facts = json.dumps({"manifest_hash": index.manifest_hash})
    (run / "data.json").write_text(facts, encoding="utf-8")
    rewrite_config(run, replace(config, data=data))
    with pytest.raises(DataError, match=r"has 2 labels.*`loss: \{type: bce\}`"):
        score_experiment(tiny_experiment, command="x")
    loss = LOSSES.get("bce")
    rewrite_config(run, replace(config, data=data, loss=Component(loss, loss.configure())))
    report, scores = score_experiment(tiny_experiment, command="x")
    assert report.multi_label is not None
    assert (report.dataset, report.confusion, report.top_5) == ("tags", (), None)
    assert report.correct == int(((scores.logits >= 0) == scores.targets).all(axis=1).sum())
    assert report.sources == len({*scores.source_ids}) == 5
    assert report.folds[0].mean_average_precision == report.multi_label.mean_average_precision
    assert report.line.startswith(f"mAP {100 * report.fold_mean:.2f} % (95 % interval by source ")
    assert "| labels | may be heard together |" in to_markdown(report)


def test_temperature_is_fitted_on_validation_clips_alone(
    tiny_experiment: Path, tiny_shards: Path, tmp_path: Path
) -> None:
    splits: tuple[Split, ...] = ("train", "test", "validation")
    manifest = tmp_path / "splits.jsonl"
    clips = read_manifest(tiny_shards.parent / "manifest.jsonl")
    write_manifest(
        manifest,
        [replace(clip, split=splits[i % 3], fold=None) for i, clip in enumerate(clips[:18])],
    )
    index = write_shards(manifest, tmp_path / "splits", sample_rate=16_000)
    leave_no_fold_out(tiny_experiment, tmp_path / "splits")
    report, scores = score_experiment(tiny_experiment, command="x")
    assert report.calibration is not None
    validation = [shard for shard in index.shards if shard.split == "validation"]
    checkpoint = load_checkpoint(tiny_experiment / "all")
    expected = fit_temperature(score_run(checkpoint, index, validation, 4))
    assert report.calibration.temperatures == pytest.approx((expected,), rel=1e-3)
    assert len(scores.clip_ids) == 6


def test_without_validation_clips_no_temperature_is_fitted(tiny_experiment: Path) -> None:
    report, _ = score_experiment(tiny_experiment, [1], command="x")
    assert report.calibration is not None
    assert report.calibration.temperatures == ()
    assert "No temperature is fitted" in to_markdown(report)


def test_views_are_averaged_and_told(tiny_experiment: Path) -> None:
    plain, one = score_experiment(tiny_experiment, [1], command="x")
    report, three = score_experiment(tiny_experiment, [1], command="x", views=3)
    assert (plain.views, report.views, three.views) == (1, 3, 3)
    assert three.clip_ids == one.clip_ids
    assert not np.allclose(three.logits, one.logits)
    assert "3 views of each clip averaged" in report.line
    assert "views" not in plain.line


def test_run_without_a_summary_is_refused(tiny_experiment: Path) -> None:
    (tiny_experiment / "fold1" / "summary.json").unlink()
    with pytest.raises(CheckpointError, match=r"summary\.json: .* cannot be read"):
        read_run(tiny_experiment / "fold1")


def test_shard_with_a_flipped_byte_is_not_scored(
    tiny_experiment: Path, tiny_shards: Path, tmp_path: Path
) -> None:
    shards = tmp_path / "shards"
    shutil.copytree(tiny_shards, shards)
    run = tiny_experiment / "fold1"
    config = config_of(run)
    rewrite_config(run, replace(config, data=replace(config.data, shards=str(shards))))
    (shard,) = ShardIndex.load(shards).select([1])
    path = shards / shard.name
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(DataError, match=path.name):
        score_experiment(tiny_experiment, [1], command="x")
