"""What a sweep says of its rows: counts, intervals, and paired tests against the baseline."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from asclf.data.labels import LabelMap
from asclf.score.compare import mcnemar
from asclf.score.intervals import wilson_interval
from asclf.score.kept_sweeps import Published, SweepResult
from asclf.score.result import FoldScore, Result
from asclf.score.scores import Scores
from asclf.sweep.result import summarise
from asclf.sweep.spec import Row, Sweep
from asclf.sweep.table import paper_table, sweep_table
from asclf.sweep.tables import keep, results_of_table

CLIPS = 20
SWEEP = Sweep(
    name="table9",
    title="Nine",
    column="Here",
    config=Path("x.yaml"),
    rows=(Row("base", {}), Row("better", {"a": 1}), Row("never run", {})),
    folds=None,
    seeds=(0, 1),
    baseline="base",
    published=Published(
        source="A paper, Table 9", column="There", accuracy={"better": 91.5, "other": 7}
    ),
)


def scored(right: int) -> tuple[Result, Scores]:
    """A try that has the first `right` of the clips right."""
    targets = np.zeros(CLIPS, np.int64)
    predicted = (np.arange(CLIPS) >= right).astype(int)
    scores = Scores(
        clip_ids=tuple(f"clip{i}" for i in range(CLIPS)),
        folds=np.ones(CLIPS, np.int64),
        targets=np.eye(2, dtype=bool)[targets],
        logits=np.eye(2, dtype=np.float32)[predicted],
        labels=LabelMap(("a", "b")),
    )
    return make_result(right), scores


def make_result(right: int) -> Result:
    path = sorted(Path(__file__).parents[3].glob("egs/*/results/*.json"))[0]
    share = right / CLIPS
    fold = FoldScore(
        fold=1,
        correct=right,
        clips=CLIPS,
        accuracy=share,
        minutes=1.5,
        epochs=1,
        steps=1,
        clips_skipped=0,
    )
    return replace(
        Result.read(path), correct=right, clips=CLIPS, accuracy=share, folds=(fold,), minutes=1.5
    )


def test_a_row_is_counted_over_its_seeds_and_tested_on_the_same_clips() -> None:
    found = summarise(SWEEP, {"base": {0: scored(10)}, "better": {0: scored(18)}})
    base, better = found.rows
    assert (better.correct, better.clips, better.accuracy) == (18, 20, 0.9)
    assert better.interval_95 == wilson_interval(18, 20)
    assert base.versus is None
    assert better.versus is not None
    assert better.versus.difference == pytest.approx(0.4)
    assert better.versus.p == mcnemar(0, 8)
    low, high = better.versus.interval_95
    assert 0.1 < low < 0.4 < high < 0.7


def test_several_seeds_give_a_spread_and_no_test_that_counts_a_clip_twice() -> None:
    found = summarise(
        SWEEP,
        {"base": {0: scored(10), 1: scored(12)}, "better": {0: scored(14), 1: scored(18)}},
    )
    base, better = found.rows
    assert (better.correct, better.clips) == (32, 40)
    assert better.seeds == {0: 0.7, 1: 0.9}
    assert better.spread == pytest.approx(0.1414, abs=1e-3)
    assert better.versus is not None
    assert better.versus.difference == pytest.approx((4 + 6) / 40)
    assert better.versus.p is None
    assert base.interval_95[0] < 0.55 < base.interval_95[1]


def test_seeds_that_only_one_row_has_are_not_compared() -> None:
    found = summarise(SWEEP, {"base": {0: scored(10)}, "better": {0: scored(12), 1: scored(20)}})
    assert found.rows[1].versus is not None
    assert found.rows[1].versus.difference == pytest.approx(0.1)


def test_tables_show_what_was_run_and_leave_the_rest_empty() -> None:
    found = summarise(SWEEP, {"base": {0: scored(10)}, "better": {0: scored(18)}})
    one = sweep_table(found).splitlines()
    (better,) = [line for line in one if line.startswith("| better")]
    assert "18 of 20 | 90.00 %" in better
    assert better.endswith("| 91.5 % |")
    (absent,) = [line for line in one if line.startswith("| never run")]
    assert set(absent.split("| never run")[1]) <= {"|", " "}
    (theirs,) = [line for line in one if line.startswith("| other")]
    assert theirs.endswith("| 7 % |")
    several = paper_table([found, replace(found, column="There", rows=())])
    assert "| row | ours Here | paper There | ours There | paper There |" in several
    assert "1 of 3 rows not run" in several
    assert "Nine: not run." in several


def test_figures_are_kept_in_the_recipe_and_read_again(tmp_path: Path) -> None:
    found = summarise(SWEEP, {"base": {0: scored(10)}, "better": {0: scored(18)}})
    path = keep(found, tmp_path)
    assert SweepResult.read(path) == found
    assert "| table9: base, table9: better |" in (tmp_path / "EXPERIMENTS.md").read_text(
        encoding="utf-8"
    )
    assert (tmp_path / "RESULTS.md").is_file()
    (tmp_path / "x.yaml").write_text("backbone: {type: tdnn}")
    sweeps = tmp_path / "conf" / "sweeps"
    sweeps.mkdir(parents=True)
    (sweeps / "table9.yaml").write_text("config: ../../x.yaml\nrows: {base: {}}")
    (sweeps / "table9_more.yaml").write_text("config: ../../x.yaml\nrows: {base: {}}")
    assert [len(result.rows) for result in results_of_table(tmp_path, "9")] == [2, 0]
