from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pydantic
import pytest

from asclf.analysis.pareto import best_founded, draw_pareto, front, join, read_costs
from asclf.analysis.study import Study
from asclf.errors import DataError
from asclf.score.ledger import record
from asclf.score.result import Result

pytest.importorskip("matplotlib")

ROWS = [
    {"backbone": "small", "params": 100, "latency / CAM++": 0.1},
    {"backbone": "large", "params": 900, "latency / CAM++": 0.5},
    {"backbone": "slow", "params": 200, "latency / CAM++": 2.0},
    {"backbone": "huge", "params": 10**8, "latency / CAM++": None},
]


@pytest.fixture
def models(tmp_path: Path) -> Path:
    path = tmp_path / "models.json"
    path.write_text(json.dumps({"rows": ROWS}), encoding="utf-8")
    return path


@pytest.fixture
def make_result(stored_result: Result) -> Callable[..., Result]:
    def make(model: str, correct: int, **other: object) -> Result:
        share, known = correct / 80, {"dataset": "esc10", "clips": 80, "init": None}
        weights = sha256(f"{model} {correct}".encode()).hexdigest()
        values = {"correct": correct, "accuracy": share, "weights_sha256": weights}
        return replace(stored_result, model=model, **{**known, **values, **other})

    return make


@pytest.fixture
def stored_result() -> Result:
    machine = {"cpu": "none", "cores": 1, "accelerator": None}
    counts = {"epochs": 1, "steps": 1, "clips_skipped": 0}
    fold = {"fold": 1, "correct": 0, "clips": 80, "accuracy": 0.0, "minutes": 0.0, **counts}
    values = {
        "name": "x", "date": "2024-12-31", "protocol": "official", "weights": "last", "correct": 0,
        "clips": 80, "accuracy": 0.0, "interval_95": (0.1, 0.9), "fold_mean": 0.0,
        "fold_std": None, "macro_f1": 0.0, "folds": (fold,), "folds_known": (1,),
        "clips_skipped": 0, "partial": False, "seed": 0, "config_sha256": "", "weights_sha256": "",
        "command": "", "commit": None, "machine": machine, "minutes": 0.0, "versions": {},
    }  # fmt: skip
    return pydantic.TypeAdapter(Result).validate_json(json.dumps(values))


def test_front_holds_what_nothing_cheaper_beats(
    make_result: Callable[..., Result], models: Path
) -> None:
    costs, unit = read_costs(models)
    assert unit == "latency / CAM++"
    results = [make_result("small", 60), make_result("large", 70), make_result("slow", 65)]
    points = list(join([*results, make_result("unknown", 80), make_result("huge", 79)], costs))
    assert [point.name for point in front(points, "latency")] == ["small", "large"]
    by_size = [point.name for point in front(points, "parameters")]
    assert by_size == ["small", "slow", "large", "huge"]


def test_of_each_model_the_readme_s_score_counts(
    make_result: Callable[..., Result],
) -> None:
    chosen = make_result("small", 60, date="2025-01-02")
    others = [
        make_result("small", 65, date="2025-01-05", protocol="nested"),
        make_result("small", 61, date="2025-01-01"),
        make_result("small", 40, clips=40, date="2025-01-03"),
        make_result("small", 80, protocol="leaky_random", date="2025-01-03"),
    ]
    trained_less = make_result("small", 64, date="2025-01-06")
    fold = trained_less.folds[0]
    others.append(replace(trained_less, folds=(replace(fold, epochs=fold.epochs - 1),)))
    pretrained = make_result("small", 70, init="weights")
    assert best_founded([chosen, *others, pretrained]) == [chosen, pretrained]


def test_picture_and_numbers_of_a_recipe(
    make_result: Callable[..., Result],
    models: Path,
    tmp_path: Path,
    make_study: Callable[..., Study],
    read_csv: Callable[[Path], list[dict[str, str]]],
) -> None:
    recipe = tmp_path / "recipe"
    recipe.mkdir()
    for result in (make_result("small", 60, parameters=101), make_result("slow", 50, partial=True)):
        record(result, recipe)
    study = make_study(recipes=(recipe,), models=models)
    drawn = draw_pareto(study)
    slow, small = read_csv(study.out / "pareto.csv")
    assert (small["model"], small["parameters"], small["latency"]) == ("small", "101", "0.1")
    assert (small["front_by_latency"], slow["front_by_latency"], slow["partial"]) == ("1", "0", "1")
    assert (float(small["accuracy"]), float(small["low"]), float(small["high"])) == (0.75, 0.1, 0.9)
    assert "no model that is as fast is better than: small 75.00 %" in drawn.text
    assert (study.out / "pareto.png").stat().st_size > 1000
    with pytest.raises(DataError, match="it needs --results and --models"):
        draw_pareto(make_study())
    (tmp_path / "none.json").write_text("{}", encoding="utf-8")
    with pytest.raises(DataError, match="no file of models"):
        draw_pareto(make_study(recipes=(recipe,), models=tmp_path / "none.json"))
