from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from asclf.errors import DataError
from asclf.score.ledger import read_results, record, results_page
from asclf.score.report import Report

ReportMaker = Callable[..., Report]


def tree(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_text(encoding="utf-8") for path in files}


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    folder = tmp_path / "recipe"
    folder.mkdir()
    return folder


def test_recording_twice_changes_nothing(make_report: ReportMaker, recipe: Path) -> None:
    report = make_report()
    record(report, recipe)
    once = tree(recipe)
    record(report, recipe)
    assert tree(recipe) == once
    assert {Path(name).suffix for name in once} == {".json", ".md"}
    assert len(once) == 3  # RESULTS.md, EXPERIMENTS.md, and the result


def test_every_try_has_a_row_and_its_command(make_report: ReportMaker, recipe: Path) -> None:
    record(make_report(weights=b"one"), recipe)
    record(make_report([[4, 0], [0, 4]], weights=b"two"), recipe)
    page = (recipe / "RESULTS.md").read_text(encoding="utf-8")
    assert "| 7 of 8 | 87.50 % |" in page
    assert "| 8 of 8 | 100.00 % |" in page
    assert page.count("asclf train --config tiny.yaml") == 2


def test_scoring_the_same_weights_later_keeps_the_command_that_made_them(
    make_report: ReportMaker, recipe: Path
) -> None:
    report = replace(make_report(), date="2024-01-01")
    first = record(report, recipe)
    once = tree(recipe)
    again = replace(report, date="2024-01-02", command="asclf score exp/tiny", commit="abc")
    assert record(again, recipe) == first
    assert tree(recipe) == once


def test_scoring_an_older_result_again_adds_what_it_did_not_know_and_keeps_its_command(
    make_report: ReportMaker, recipe: Path
) -> None:
    known = replace(make_report(), init="mn04", init_sha256="ab" * 32)
    path = record(replace(known, date="2024-01-01", command="bash run.sh"), recipe)
    stored = json.loads(path.read_text(encoding="utf-8"))
    for fact in ("init_sha256", "setting_sha256"):
        del stored[fact]
    path.write_text(json.dumps(stored), encoding="utf-8")
    assert read_results(recipe)[0].start == "mn04"
    assert record(replace(known, date="2024-01-02", command="asclf score x"), recipe) == path
    (kept,) = read_results(recipe)
    assert (kept.date, kept.command) == ("2024-01-01", "bash run.sh")
    assert (kept.start, kept.setting) == ("mn04 (abababab)", known.setting_sha256)


def test_changed_score_of_the_same_weights_replaces(make_report: ReportMaker, recipe: Path) -> None:
    record(replace(make_report(), date="2024-01-01"), recipe)
    path = record(replace(make_report([[4, 0], [0, 4]]), date="2024-01-02"), recipe)
    assert [file.name for file in (recipe / "results").iterdir()] == [path.name]
    assert path.name.startswith("2024-01-02-tiny-")


def test_newest_stands_first(make_report: ReportMaker, recipe: Path) -> None:
    for day in (2, 3, 1):
        record(replace(make_report(weights=bytes([day])), date=f"2024-01-0{day}"), recipe)
    dates = [result.date for result in read_results(recipe)]
    assert dates == ["2024-01-03", "2024-01-02", "2024-01-01"]
    page = (recipe / "RESULTS.md").read_text(encoding="utf-8")
    assert page.index("| [3](#try-3) | 2024-01-03") < page.index("| [1](#try-1) | 2024-01-01")


def test_no_clip_is_named_in_what_is_kept(make_report: ReportMaker, recipe: Path) -> None:
    path = record(replace(make_report(), skipped=("1-9: cut short",), clips_skipped=1), recipe)
    stored = json.loads(path.read_text(encoding="utf-8"))
    assert not {"confusion", "classes", "skipped"} & set(stored)
    assert stored["clips_skipped"] == 1


def test_page_is_generated_from_the_stored_files_alone(
    make_report: ReportMaker, recipe: Path
) -> None:
    record(make_report(), recipe)
    page = (recipe / "RESULTS.md").read_text(encoding="utf-8")
    assert page == results_page(read_results(recipe))


def test_folder_that_is_not_there_is_refused(make_report: ReportMaker, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="there is no such folder"):
        record(make_report(), tmp_path / "absent")


def test_a_score_of_several_views_stands_beside_that_of_the_clips_as_they_are(
    make_report: ReportMaker, recipe: Path
) -> None:
    paths = {record(make_report(), recipe), record(replace(make_report(), views=5), recipe)}
    assert len(paths) == 2
    assert record(make_report(), recipe) in paths
    page = (recipe / "RESULTS.md").read_text(encoding="utf-8")
    assert page.count("Of each clip 5 views were averaged.") == 1


def test_a_score_that_is_too_high_is_marked_in_the_table_and_below(
    make_report: ReportMaker, recipe: Path
) -> None:
    record(replace(make_report(), protocol="test_selected"), recipe)
    page = (recipe / "RESULTS.md").read_text(encoding="utf-8")
    assert "| test_selected, too high: chosen on the test fold |" in page
    assert "**Warning: too high: chosen on the test fold.**" in page
