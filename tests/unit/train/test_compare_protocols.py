"""One command, four protocols: each in its folder, and what is done is not done again."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from asclf.cli.main import main
from asclf.data.shards import ShardIndex
from asclf.errors import DataError
from asclf.score.ledger import read_results
from asclf.score.report import Report
from asclf.train.protocols import compare_protocols
from asclf.train.stop import StoppedError

NAMES = ("official", "nested", "test_selected", "leaky_random")


@pytest.fixture
def quick_config(toy_config: Path, toy_shards: Path, three_folds: Path) -> Path:
    text = toy_config.read_text(encoding="utf-8").replace(str(toy_shards), str(three_folds))
    toy_config.write_text(text.replace("epochs: 4", "epochs: 2"), encoding="utf-8")
    return toy_config


@pytest.mark.slow
def test_four_figures_stand_side_by_side_and_two_are_marked(
    quick_config: Path, three_folds: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    exp, manifest = tmp_path / "exp", three_folds.parent / "manifest.jsonl"
    command = ["protocols", str(manifest), "--config", str(quick_config), "--exp", str(exp)]
    assert main([*command, "--folds", "2"]) == 0
    reports = {name: Report.read(exp / name / "report.json") for name in NAMES}
    assert {name: report.protocol for name, report in reports.items()} == {n: n for n in NAMES}
    assert reports["official"].weights == "last epochs averaged: 2"
    best = "best epochs averaged: 2, chosen on"
    assert reports["nested"].weights == f"{best} validation clips"
    assert reports["test_selected"].weights == f"{best} the test fold"
    assert {report.clips for report in reports.values()} == {9}
    dealing = ShardIndex.load(exp / "leaky_random" / "shards").dealing
    assert dealing is not None
    assert dealing.folds == 3
    shown = (exp / "protocols.md").read_text(encoding="utf-8")
    assert [line.count("too high") for line in shown.splitlines()] == [0, 0, 0, 0, 1, 1]
    printed = capsys.readouterr().out
    assert all(f"\n{name} " in printed for name in NAMES)
    before = {path: path.stat().st_mtime_ns for path in exp.rglob("final.safetensors")}
    recipe = tmp_path / "recipe"
    recipe.mkdir()
    keep = ["--results", str(recipe), "--official-folds", "5"]
    assert main([*command, "--folds", "2", *keep]) == 0
    check_what_is_kept(recipe)
    assert before == {path: path.stat().st_mtime_ns for path in exp.rglob("final.safetensors")}


def check_what_is_kept(recipe: Path) -> None:
    kept = {result.protocol: result for result in read_results(recipe)}
    assert set(kept) == set(NAMES)
    assert {result.name for result in kept.values()} == {f"exp_{name}" for name in NAMES}
    assert {result.dataset for result in kept.values()} == {"shards"}
    assert kept["official"].scope == "single fold 2 of 1–5, partial"
    assert kept["leaky_random"].scope == "single fold 1 of 1–3, partial"
    assert kept["leaky_random"].missing == "official fold 3, 5"
    page = (recipe / "RESULTS.md").read_text(encoding="utf-8")
    table = page.partition("## Protocols side by side")[2].partition("\n## Try")[0]
    rows = [line for line in table.splitlines() if line.startswith("| ")][2:]
    assert [row.split(" | ")[0].removeprefix("| ") for row in rows] == list(NAMES)
    assert ["too high" in row for row in rows] == [False, False, True, True]


def test_a_recipe_that_is_not_there_is_refused_before_any_training(
    toy_config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["protocols", "m.jsonl", "--config", str(toy_config), "--exp", str(tmp_path / "exp")]
    assert main([*command, "--results", str(tmp_path / "absent")]) == 2
    assert "absent: there is no such folder" in capsys.readouterr().err
    assert not (tmp_path / "exp").exists()


def test_too_few_folds_are_refused_before_any_training(toy_config: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no clip is left to train on"):
        compare_protocols(toy_config, tmp_path / "exp", tmp_path / "m.jsonl", command="x")
    assert not (tmp_path / "exp").exists()


def test_it_stops_between_steps_and_goes_on_from_there(
    quick_config: Path, three_folds: Path, tmp_path: Path
) -> None:
    exp, manifest = tmp_path / "exp", three_folds.parent / "manifest.jsonl"
    steps = iter([0, 0, 0, signal.SIGTERM])
    with pytest.raises(StoppedError, match="stopped after 3 of"):
        compare_protocols(
            quick_config,
            exp,
            manifest,
            folds=[2],
            command="",
            asked_to_stop=lambda: next(steps),
        )
    assert (exp / "official" / "fold2" / "resume.safetensors").is_file()
    assert not (exp / "nested").exists()
