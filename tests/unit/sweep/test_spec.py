"""A sweep's file: its rows, and what is refused before hours of training."""

from __future__ import annotations

from pathlib import Path

import pytest

from asclf.errors import AsclfError, ConfigError
from asclf.sweep.spec import load_sweep

EXPERIMENT = "backbone: {type: tdnn}\n"


@pytest.fixture
def write(tmp_path: Path) -> Path:
    (tmp_path / "base.yaml").write_text(EXPERIMENT, encoding="utf-8")
    return tmp_path / "some.yaml"


def test_rows_are_named_ones_first_then_every_combination(write: Path) -> None:
    write.write_text(
        "config: base.yaml\n"
        "set: {train.epochs: 2}\n"
        "rows: {plain: {}, wide: {backbone.channels: 8}}\n"
        "grid: {backbone.pooling: [avg, stats], train.grad_clip: [1.0, 2.0]}\n"
    )
    sweep = load_sweep(write)
    assert [row.name for row in sweep.rows] == [
        "plain",
        "wide",
        "pooling=avg, grad_clip=1.0",
        "pooling=avg, grad_clip=2.0",
        "pooling=stats, grad_clip=1.0",
        "pooling=stats, grad_clip=2.0",
    ]
    assert sweep.rows[1].overrides == ["train.epochs=2", "backbone.channels=8"]
    assert sweep.rows[5].settings["backbone.pooling"] == "stats"
    assert (sweep.baseline, sweep.seeds, sweep.folds) == ("plain", (0,), None)
    assert (sweep.name, sweep.config) == ("some", write.parent / "base.yaml")


def test_each_seed_is_run_once(write: Path) -> None:
    write.write_text("config: base.yaml\nrows: {a: {}}\nseeds: [2, 0, 2]\n")
    assert load_sweep(write).seeds == (2, 0)
    with pytest.raises(ConfigError, match="`seed` is set"):
        load_sweep(write, ["seed=1"])


def test_a_row_may_be_another_component(write: Path) -> None:
    write.write_text("config: base.yaml\nrows: {CAM++: {backbone: {type: campplus}}}\n")
    (row,) = load_sweep(write).rows
    assert row.overrides == ['backbone={"type": "campplus"}']
    assert row.slug == "CAM"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("rows: {a: {}}", "`config` is not set"),
        ("config: base.yaml", "a sweep without rows"),
        (
            "config: base.yaml\nrow: {a: {}}",
            r"some\.yaml:2:1: unknown key 'row'; did you mean 'rows'",
        ),
        ("config: base.yaml\nrows: {a b: {}, a_b: {}}", "two rows are called 'a b'"),
        (
            "config: base.yaml\nrows: {a: {}}\nbaseline: b",
            "there is no row 'b'; expected one of 'a'",
        ),
        ("config: base.yaml\nrows: {a: {train.epochz: 3}}", "unknown key 'epochz'"),
        (
            "config: base.yaml\nrows: {a: {}}\nmade_by: {b: make b}",
            "there is no row 'b'; expected one of 'a'",
        ),
        ("config: none.yaml\nrows: {a: {}}", r"none\.yaml"),
        ("config: base.yaml\nrows: {a: {seed: 1}}", "`seed` is set for a row; expected `seeds`"),
    ],
)
def test_what_cannot_be_run_is_refused_at_once(write: Path, text: str, message: str) -> None:
    write.write_text(text)
    with pytest.raises((ConfigError, AsclfError), match=message):
        load_sweep(write)
