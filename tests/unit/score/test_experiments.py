"""EXPERIMENTS.md: one row a configuration, every score in it, and what should not have been."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from asclf.score.experiments import COLUMNS, experiments_page
from asclf.score.intervals import wilson_interval
from asclf.score.kept_sweeps import KEPT, Published, RowResult, SweepResult
from asclf.score.ledger import check_recipe, record, write_pages
from asclf.score.protocol import ProtocolName
from asclf.score.report import Report
from asclf.score.result import Result, span_of


@pytest.fixture
def one(make_report: Callable[..., Report]) -> Report:
    """7 of 8 clips of fold 1 of three, by committed code."""
    return replace(make_report(), dataset="esc10", model="tdnn", minutes=1.5, commit="abc")


def a_sweep(one: Result, seeds: Sequence[int] = (0,), protocol: str = "official") -> SweepResult:
    clips = 8 * len(seeds)
    row = RowResult(
        name="wide",
        settings={},
        correct=clips // 2,
        clips=clips,
        interval_95=(0.1, 0.9),
        seeds=dict.fromkeys(seeds, 0.5),
        folds=(1,),
        minutes=2.0,
        dataset="esc10",
        model="tdnn",
        config_sha256="f" * 64,
        setting_sha256=one.setting,
        commit="abc",
        machine="a CPU",
    )
    return SweepResult(
        name="table9",
        title="Nine",
        column="ESC-10",
        protocol=protocol,
        baseline="wide",
        planned=("wide",),
        rows=(row,),
        published=Published(),
    )


def rows(results: Sequence[Result], sweeps: Sequence[SweepResult] = ()) -> list[dict[str, str]]:
    text = experiments_page(list(enumerate(results, 1)), sweeps)
    lines = [line for line in text.splitlines() if line.startswith("| ")][2:]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return [dict(zip(COLUMNS, each, strict=True)) for each in cells]


def test_a_row_tells_all_of_a_configuration(one: Report) -> None:
    (row,) = rows([one])
    assert row == {
        "configuration": one.setting[:12],
        "experiment": "tiny",
        "dataset": "esc10",
        "model": "tdnn",
        "started from": "random weights",
        "protocol": "official",
        "folds": "1 of 1–3",
        "seeds": "0",
        "correct": "7 of 8",
        "score": "87.50 %",
        "95 % interval": span_of(wilson_interval(7, 8)),
        "each fold scored": "once",
        "minutes": "1.5",
        "commit": "abc",
        "listed in": "[try 1](RESULTS.md#try-1)",
    }


def test_seeds_share_a_row_and_count_a_clip_once_in_its_interval(one: Report) -> None:
    other = replace(one, seed=3, config_sha256="e" * 64, correct=5, accuracy=5 / 8)
    (row,) = rows([one, other])
    assert (row["seeds"], row["correct"], row["score"]) == ("0, 3", "12 of 16", "75.00 %")
    assert row["95 % interval"] == span_of(wilson_interval(6, 8))
    assert row["each fold scored"] == "once with each seed"
    assert row["minutes"] == "3.0"
    assert row["listed in"] == "[try 1](RESULTS.md#try-1), [try 2](RESULTS.md#try-2)"


def test_a_fold_that_was_scored_again_is_in_bold(one: Report) -> None:
    again = replace(one, weights_sha256="e" * 64)
    second = replace(one, folds=tuple(replace(fold, fold=2) for fold in one.folds))
    (row,) = rows([one, again, second])
    assert row["each fold scored"] == "**2 times**: fold 1 with seed 0"
    assert row["folds"] == "1, 2 of 1–3"
    assert rows([one, second])[0]["each fold scored"] == "once"


def test_several_views_have_a_row_of_their_own_and_are_one_more_look(one: Report) -> None:
    plain, viewed = rows([one, replace(one, views=5)])
    assert viewed["protocol"] == "official, 5 views of each clip"
    assert plain["each fold scored"] == viewed["each fold scored"]
    assert plain["each fold scored"].startswith("**2 times**")


def test_code_that_was_not_committed_is_in_bold(one: Report) -> None:
    assert rows([replace(one, commit="abc+changes")])[0]["commit"] == "**abc+changes**"
    assert rows([replace(one, commit=None)])[0]["commit"] == "no checkout"


@pytest.mark.parametrize(
    ("protocol", "told"),
    [
        ("nested", "nested"),
        ("test_selected", "test_selected, **too high: chosen on the test fold**"),
        ("leaky_random", "leaky_random, **too high: split leaks sources**"),
    ],
)
def test_another_protocol_is_another_row_and_says_what_it_is(
    one: Report, protocol: ProtocolName, told: str
) -> None:
    results = [one, replace(one, protocol=protocol)]  # dealt folds have the same configuration
    found = {row["protocol"]: row["each fold scored"] for row in rows(results)}
    assert found == {"official": "once", told: "once"}


def test_other_weights_to_start_from_and_other_data_are_other_rows(one: Report) -> None:
    started = [replace(one, init="all", init_sha256=letter * 64) for letter in "ab"]
    found = rows([one, *started, replace(one, dataset="esc50")])
    assert [row["started from"] for row in found] == [
        "all (aaaaaaaa)",
        "all (bbbbbbbb)",
        "random weights",
        "random weights",
    ]
    assert {row["each fold scored"] for row in found} == {"once"}


def test_rows_of_sweeps_are_scores_of_held_out_folds_too(one: Report) -> None:
    (row,) = rows([], [a_sweep(one, seeds=(0, 1), protocol="nested")])
    assert (row["experiment"], row["correct"]) == ("table9: wide", "8 of 16")
    assert (row["protocol"], row["seeds"]) == ("nested", "0, 1")
    assert row["95 % interval"] == span_of(wilson_interval(4, 8))
    assert row["listed in"] == "[table9](results/sweeps/table9.json)"


def test_what_a_sweep_scored_counts_as_another_look_at_the_fold(one: Report) -> None:
    (row,) = rows([one], [a_sweep(one)])
    assert row["experiment"] == "table9: wide, tiny"
    assert row["each fold scored"] == "**2 times**: fold 1 with seed 0"
    (other,) = rows([one], [a_sweep(one, seeds=(4,))])
    assert other["each fold scored"] == "once with each seed"


def test_a_sweep_that_was_kept_by_an_older_version_is_listed_as_far_as_it_says(
    one: Report, tmp_path: Path
) -> None:
    stored = json.loads(json.dumps(a_sweep(one).as_dict()))
    for fact in ("dataset", "model", "init", "init_sha256", "setting_sha256"):
        del stored["rows"][0][fact]
    path = tmp_path / "table9.json"
    path.write_text(json.dumps(stored), encoding="utf-8")
    (row,) = rows([], [SweepResult.read(path)])
    assert (row["configuration"], row["dataset"]) == ("f" * 12, "ESC-10")
    assert (row["model"], row["started from"]) == ("", "")


def test_the_page_is_written_with_every_score_that_is_kept(one: Report, tmp_path: Path) -> None:
    check_recipe(tmp_path)
    record(one, tmp_path)
    assert "| tiny | esc10 |" in (tmp_path / "EXPERIMENTS.md").read_text(encoding="utf-8")
    (tmp_path / KEPT).mkdir(parents=True)
    text = json.dumps(a_sweep(one).as_dict())
    (tmp_path / KEPT / "table9.json").write_text(text, encoding="utf-8")
    write_pages(tmp_path)
    page = (tmp_path / "EXPERIMENTS.md").read_text(encoding="utf-8")
    assert "| table9: wide, tiny | esc10 |" in page


def test_labels_heard_together_keep_their_own_figure(one: Report) -> None:
    from asclf.score.result import MultiLabelScore

    heard = MultiLabelScore(
        mean_average_precision=0.5, interval_by_source_95=(0.25, 0.75), micro_f1=0.5
    )
    (row,) = rows([replace(one, multi_label=heard)])
    assert (row["score"], row["95 % interval"]) == ("mAP 50.00 % (25.0 to 75.0 %)", "")
