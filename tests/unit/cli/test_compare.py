from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from asclf.cli.main import main

Capture = pytest.CaptureFixture[str]


def test_two_scored_experiments_are_compared(tiny_experiment: Path, capsys: Capture) -> None:
    other = tiny_experiment.with_name("other [tta]")
    shutil.copytree(tiny_experiment, other)
    assert main(["score", str(tiny_experiment)]) == 0
    assert main(["score", str(other), "--tta", "3"]) == 0
    capsys.readouterr()
    assert main(["compare", str(tiny_experiment), str(other)]) == 0
    shown = capsys.readouterr().out
    table, _, _ = shown.partition(" against ")
    assert table.count("[tta]") == 2
    assert f"{other} against {tiny_experiment}, on 18 clips:" in shown
    assert "McNemar's exact p" in shown
    assert main(["compare", "--json", str(tiny_experiment), str(other)]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [each["protocol"] for each in found["experiments"]] == ["official", "official"]
    (pair,) = found["pairs"]
    assert pair["clips"] == 18
    assert pair["interval_95"][0] <= pair["difference"] <= pair["interval_95"][1]


def test_experiments_on_other_folds_are_not_compared(
    tiny_experiment: Path, capsys: Capture
) -> None:
    other = tiny_experiment.with_name("other")
    shutil.copytree(tiny_experiment, other)
    assert main(["score", str(tiny_experiment)]) == 0
    assert main(["score", str(other), "--folds", "1"]) == 0
    assert main(["compare", str(tiny_experiment), str(other)]) == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith(f"{other}: 9 clips are missing that {tiny_experiment} has scored: 2-0,")


def test_one_experiment_or_one_without_a_score_is_refused(
    tiny_experiment: Path, capsys: Capture
) -> None:
    assert main(["compare", str(tiny_experiment)]) == 2
    assert "expected two or more" in capsys.readouterr().err
    assert main(["compare", str(tiny_experiment), str(tiny_experiment)]) == 2
    assert "report.json" in capsys.readouterr().err
