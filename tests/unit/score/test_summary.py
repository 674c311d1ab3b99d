from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import get_args

import pytest

from asclf.score.protocol import ProtocolName
from asclf.score.report import Report
from asclf.score.summary import standings, summary_table


@pytest.fixture
def result(make_report: Callable[..., Report]) -> Report:
    return replace(make_report(), dataset="esc10", model="tdnn", date="2024-01-01")


def longer(result: Report, epochs: int) -> Report:
    return replace(result, folds=tuple(replace(fold, epochs=epochs) for fold in result.folds))


def test_the_try_over_most_clips_stands_then_the_longest_then_the_latest(result: Report) -> None:
    later = replace(result, date="2024-01-02", accuracy=0.5)
    short = longer(replace(result, date="2024-01-03"), 2)
    assert standings([result, later, short])[0].result == later
    assert standings([later, longer(result, 99)])[0].result == longer(result, 99)
    whole = replace(short, clips=80)
    assert standings([result, later, whole])[0].result == whole


def test_the_best_try_does_not_stand_for_the_others(result: Report) -> None:
    lucky = replace(result, time="09:00:00", accuracy=1.0)
    last = replace(result, time="10:00:00")
    (standing,) = standings([last, lucky])
    assert standing.result == last
    assert standing.range == "2: 87.50 % to 100.00 %"


def test_scores_that_are_too_high_or_of_several_views_do_not_stand(result: Report) -> None:
    others = [replace(result, protocol=name) for name in get_args(ProtocolName)]
    others = [each for each in others if each.protocol not in ("official", "nested")]
    others.append(replace(result, views=5))
    assert len(others) == 5
    assert standings(others) == []
    assert [standing.result for standing in standings([*others, result])] == [result]
    assert summary_table({"egs/esc50": others}).count("| esc10") == 0


def test_a_nested_try_stands_only_where_there_is_no_official_one_and_says_so(
    result: Report,
) -> None:
    nested = replace(result, protocol="nested", date="2024-02-01")
    assert standings([nested, result])[0].result == result
    assert standings([nested, replace(result, clips=4)])[0].result == nested
    assert "of 1–3, partial, nested |" in summary_table({"egs/esc50": [nested]})
    assert "nested |" not in summary_table({"egs/esc50": [result]})


def test_weights_of_one_name_and_other_bytes_are_other_starts(result: Report) -> None:
    starts = [replace(result, init="mn04", init_sha256=letter * 64) for letter in "ab"]
    starts.append(replace(result, init="mn04"))  # an older result, which does not know
    text = summary_table({"egs/esc50": starts})
    rows = [line.split(" | ")[3] for line in text.splitlines() if line.startswith("| esc10")]
    assert rows == ["mn04", "mn04 (aaaaaaaa)", "mn04 (bbbbbbbb)"]


def test_each_dataset_model_and_start_has_a_row_and_a_link(result: Report) -> None:
    results = [
        result,
        replace(result, model="res2net", parameters=1234567),
        replace(result, model="res2net", init="audioset"),
    ]
    text = summary_table({"egs/esc50": results})
    rows = [line.split(" | ")[:5] for line in text.splitlines() if line.startswith("| esc10")]
    assert rows == [
        ["| esc10", "res2net", "1,234,567", "random weights", "7 of 8 clips"],
        ["| esc10", "res2net", "", "audioset", "7 of 8 clips"],
        ["| esc10", "tdnn", "", "random weights", "7 of 8 clips"],
    ]
    assert text.count("[1](egs/esc50/RESULTS.md)") == 3
