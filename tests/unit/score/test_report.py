from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from asclf.config.experiment import bind_experiment
from asclf.config.yaml import parse_yaml
from asclf.errors import DataError
from asclf.score.protocol import ProtocolName
from asclf.score.report import Report, Setting, build_report, start_of
from asclf.score.report_page import to_markdown, write_report
from asclf.score.result import Result
from asclf.score.runs import Run
from asclf.score.scores import Scores, pool

TWO_FOLDS = ([[4, 0], [1, 3]], [[2, 2], [2, 2]])


def setting(*folds: int, protocol: ProtocolName = "official") -> Setting:
    return Setting(
        name="tiny", protocol=protocol, folds_known=folds, command="asclf score exp/tiny"
    )


@pytest.fixture
def report(make_scores: Callable[..., Scores], make_scored_run: Callable[..., Run]) -> Report:
    parts = [make_scores(counts, fold) for fold, counts in enumerate(TWO_FOLDS, 1)]
    runs = [make_scored_run(fold, labels=parts[0].labels) for fold in (1, 2)]
    return build_report(setting(1, 2), pool(parts), runs)


def test_numbers_of_two_pooled_folds(report: Report) -> None:
    assert (report.correct, report.clips, report.accuracy) == (11, 16, 11 / 16)
    assert [(fold.correct, fold.clips) for fold in report.folds] == [(7, 8), (4, 8)]
    assert report.fold_mean == pytest.approx((7 / 8 + 4 / 8) / 2)
    assert report.fold_std == pytest.approx((7 / 8 - 4 / 8) / 2**0.5)
    assert report.confusion == ((6, 2), (3, 5))
    assert [(c.label, c.correct, c.clips) for c in report.classes] == [
        ("class_0", 6, 8),
        ("class_1", 5, 8),
    ]
    assert report.minutes == 1.5 + 3.0
    assert report.interval_95[0] < report.accuracy < report.interval_95[1]


def test_counts_agree_with_one_another(report: Report) -> None:
    assert sum(map(sum, report.confusion)) == report.clips == sum(f.clips for f in report.folds)
    assert report.correct == sum(fold.correct for fold in report.folds)
    assert report.correct == sum(score.correct for score in report.classes)


def test_all_known_folds_scored_is_whole(report: Report) -> None:
    assert not report.partial
    assert report.scope == "folds 1, 2 of 1, 2"


def test_commit_is_that_of_the_training(
    make_scores: Callable[..., Scores], make_scored_run: Callable[..., Run]
) -> None:
    scores = make_scores([[1, 0], [0, 1]], 2)
    run = make_scored_run(2, labels=scores.labels)
    trained = replace(run, summary={**run.summary, "commits": ["abc", "def+changes"]})
    assert build_report(setting(2), scores, [trained]).commit == "abc, def+changes"


def test_a_fold_of_the_dataset_without_a_score_makes_it_partial(
    make_scores: Callable[..., Scores], make_scored_run: Callable[..., Run]
) -> None:
    scores = make_scores([[1, 0], [0, 1]], 2)
    report = build_report(
        setting(1, 2, 3, 4, 5), scores, [make_scored_run(2, labels=scores.labels)]
    )
    assert report.partial
    assert report.scope == "single fold 2 of 1–5, partial"
    assert report.fold_std is None


def test_a_skipped_clip_makes_it_partial(
    make_scores: Callable[..., Scores], make_scored_run: Callable[..., Run]
) -> None:
    scores = replace(make_scores([[1, 0], [0, 1]], 1), skipped=("1-9: cut short",))
    report = build_report(setting(1), scores, [make_scored_run(1, labels=scores.labels)])
    assert report.partial
    assert report.clips_skipped == 1
    assert "1 clips skipped, partial" in report.line
    assert "- 1-9: cut short" in to_markdown(report)


def test_rule_of_the_weights_is_stated(make_scored_run: Callable[..., Run], report: Report) -> None:
    assert report.weights == "last epochs averaged: 5"
    labels = make_scored_run(1, labels=_labels()).checkpoint.labels
    assert make_scored_run(1, labels=labels, averaged=1).weights == "last epoch"


def test_class_without_a_clip_has_no_accuracy(make_report: Callable[..., Report]) -> None:
    report = make_report([[2, 0], [0, 0]])
    assert report.classes[1].accuracy is None
    assert "| class_1 | 0 | 0 | – | – |" in to_markdown(report)


def test_json_comes_back_equal_and_holds_no_machine_name(report: Report, tmp_path: Path) -> None:
    write_report(report, tmp_path)
    assert Report.read(tmp_path / "report.json") == report
    plain = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    assert set(plain["machine"]) == {"cpu", "cores", "accelerator"}
    assert plain["protocol"] == "official"
    assert {"python", "asclf", "torch"} <= set(plain["versions"])


def test_markdown_has_the_line_the_folds_and_the_command(report: Report) -> None:
    text = to_markdown(report)
    assert report.line in text
    assert "| 1 | 7 | 8 | 87.50 % | 1.5 | 60 | 0 |" in text
    assert "| correct | 11 of 16 clips |" in text
    assert "| class_1 | class_0 | 3 |" in text
    assert "asclf score exp/tiny" in text


def test_a_file_that_is_no_result_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    path.write_text('{"name": 3}', encoding="utf-8")
    with pytest.raises(DataError, match=r"report\.json: no stored result: name"):
        Result.read(path)
    with pytest.raises(DataError, match="No such file"):
        Result.read(tmp_path / "absent.json")


def _labels() -> object:
    from asclf.data.labels import LabelMap

    return LabelMap(("a", "b"))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", None),
        ("init: {checkpoint: weights/mn04.safetensors}", "mn04"),
        ("init: {checkpoint: exp/big/fold1}", "big/fold1"),
        ("init: {checkpoint: exp/big_from_x/pretrain/all}", "big_from_x/pretrain/all"),
        ("objective: {type: distill, teacher: exp/big}", "taught by exp/big"),
        (
            "init: {checkpoint: a.safetensors}\nobjective: {type: distill, teacher: b.safetensors}",
            "a, taught by b",
        ),
    ],
)
def test_a_report_names_what_was_started_from_and_learnt_from(
    text: str, expected: str | None
) -> None:
    config = bind_experiment(parse_yaml(f"backbone: {{type: tdnn}}\n{text}", "x.yaml"))
    assert start_of(config) == expected
