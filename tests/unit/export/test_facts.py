from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from asclf.checkpoint import Checkpoint, load_checkpoint
from asclf.data.labels import LabelMap
from asclf.export.facts import score_line, training_facts
from asclf.score.report import Report, Setting, build_report
from asclf.score.report_page import write_report
from asclf.score.runs import Run
from asclf.score.scores import Scores, one_hot

SUMMARY = {"minutes": 1.0, "epochs": 2, "steps": 3, "clips_skipped": 0}


@pytest.fixture
def exp(tiny_run: Path, tmp_path: Path) -> Path:
    """An experiment whose one fold is scored: 3 of 4 clips right."""
    shutil.copytree(tiny_run, tmp_path / "fold1")
    fold1 = tmp_path / "fold1"
    run = Run(fold1, load_checkpoint(fold1), fold=1, manifest_hash="ab", summary=SUMMARY)
    targets = one_hot(np.array([0, 1, 2, 2]), 3)
    logits = np.eye(3, dtype=np.float32)[[0, 1, 2, 0]]
    labels = LabelMap(("cat", "dog", "rain"))
    scores = Scores(tuple("abcd"), np.ones(4, np.int64), targets, logits, labels)
    setting = Setting(name="x", folds_known=(1, 2), command="asclf score")
    report = build_report(setting, scores, [run])
    write_report(report, tmp_path)
    return tmp_path


@pytest.fixture
def checkpoint(exp: Path) -> Checkpoint:
    return load_checkpoint(exp / "fold1")


def test_the_score_of_these_weights_is_told(checkpoint: Checkpoint) -> None:
    facts = training_facts(checkpoint, "CC BY 4.0")
    assert facts.score is not None
    assert facts.score.startswith("Fold 1: 75.00 % (3 of 4 clips). The experiment, each fold ")
    assert (facts.epochs, facts.test_fold, facts.data_licence) == (2, 1, "CC BY 4.0")


def test_a_model_of_all_folds_has_only_the_experiments_score(checkpoint: Checkpoint) -> None:
    data = replace(checkpoint.config.data, test_fold=None)
    everything = replace(checkpoint, config=replace(checkpoint.config, data=data))
    assert (score_line(everything) or "").startswith("The experiment, each fold")


def test_the_report_of_another_configuration_says_nothing_of_these_weights(
    checkpoint: Checkpoint,
) -> None:
    other = replace(checkpoint, config=replace(checkpoint.config, seed=9))
    assert score_line(other) is None


def test_without_a_report_there_is_no_score(tiny_run: Path) -> None:
    assert score_line(load_checkpoint(tiny_run)) is None


def test_the_report_of_another_start_says_nothing_of_these_weights(
    exp: Path, checkpoint: Checkpoint
) -> None:
    report = replace(Report.read(exp / "report.json"), init_sha256="ab" * 32)
    write_report(report, exp)
    assert score_line(checkpoint) is not None  # of a copy that does not say what it started from
    data = exp / "fold1" / "data.json"
    data.write_text(json.dumps({"init_sha256": "ab" * 32}), encoding="utf-8")
    assert score_line(checkpoint) is not None
    data.write_text(json.dumps({"init_sha256": "cd" * 32}), encoding="utf-8")
    assert score_line(checkpoint) is None
