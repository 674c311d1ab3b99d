"""The numbers behind the figures; of the pictures only that they are there."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from asclf.analysis.curves import draw_lambda, draw_masks, read_curves
from asclf.analysis.durations import draw_durations
from asclf.analysis.features import draw_features, draw_strategies, mask_options
from asclf.analysis.study import Study
from asclf.backbones.spectromasknet import SpectroMaskNetConfig
from asclf.errors import DataError
from asclf.masks import BlockMaskOptions

StudyMaker = Callable[..., Study]
Csv = Callable[[Path], list[dict[str, str]]]

pytest.importorskip("matplotlib")


def write_log(path: Path, lines: list[dict[str, float]], cut: str = "") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(line) + "\n" for line in lines) + cut, encoding="utf-8")


def test_lambda_is_a_line_for_each_run_by_steps_where_they_are_logged(
    make_study: StudyMaker, tmp_path: Path, read_csv: Csv
) -> None:
    study = make_study(tmp_path / "exp")
    epochs = [{"epoch": n, "lambda": 0.5 + n / 10} for n in (1, 2)]
    write_log(study.exp / "fold1" / "metrics.jsonl", epochs)
    write_log(study.exp / "fold10" / "metrics.jsonl", epochs[:1])
    steps = [{"epoch": n, "step": n, "lambda": 0.5} for n in (1, 1, 2)]
    write_log(study.exp / "fold10" / "steps.jsonl", steps, cut='{"epoch": 2, "la')
    write_log(study.exp / "fold2" / "metrics.jsonl", [{"epoch": 1, "loss": 1.0}])
    drawn = draw_lambda(study)
    rows = read_csv(study.out / "lambda.csv")
    shown = [(row["run"], float(row["epoch"]), float(row["value"])) for row in rows]
    assert shown[:2] == [("fold1", 1, 0.6), ("fold1", 2, 0.7)]
    assert shown[2:] == [("fold10", 0.5, 0.5), ("fold10", 1, 0.5), ("fold10", 1.5, 0.5)]
    assert "fold1 0.6 → 0.7, fold10 0.5 → 0.5" in drawn.text
    assert (study.out / "lambda.png").stat().st_size > 1000


def test_learned_masks_are_drawn_and_fixed_ones_are_not(
    make_study: StudyMaker, tmp_path: Path, read_csv: Csv
) -> None:
    study = make_study(tmp_path / "exp")
    lines = [{"epoch": n, "mask_ratio": 0.6 - n / 10, "mask_block_size": 12.0} for n in (1, 2)]
    write_log(study.exp / "all" / "metrics.jsonl", lines)
    draw_masks(study)
    rows = [tuple(row.values()) for row in read_csv(study.out / "masks.csv")]
    assert rows[1] == ("all", "mask_ratio", "2", "0.4")
    assert rows[2] == ("all", "mask_block_size", "1", "12")
    with pytest.raises(DataError, match="no run of it has logged `lambda`"):
        read_curves(study.exp, "lambda")


def test_durations_are_those_of_the_shards(
    make_study: StudyMaker, tiny_experiment: Path, read_csv: Csv
) -> None:
    study = make_study(tiny_experiment)
    drawn = draw_durations(study)
    rows = read_csv(study.out / "durations.csv")
    assert len(rows) == 18
    assert {row["label"] for row in rows} == {"cat", "dog", "rain"}
    by_clip = {row["clip_id"]: float(row["duration_s"]) for row in rows}
    assert (by_clip["1-0"], by_clip["1-1"], by_clip["2-1"]) == (0.2, 0.3, 0.4)
    assert drawn.text.startswith("Clips are 0.2 to 0.4 s long, half of them shorter than 0.3 s.")


def test_features_and_masks_of_the_first_unseen_clip(
    make_study: StudyMaker, tiny_experiment: Path
) -> None:
    study = make_study(tiny_experiment, fold=2)
    assert study.subject.name.startswith("2-")
    assert study.subject.duration_s == pytest.approx(len(study.subject.waveform) / 16_000)
    draw_features(study)
    table = np.genfromtxt(study.out / "features_fbank.csv", delimiter=",", skip_header=1)
    assert table.shape == (round(100 * study.subject.duration_s), 81)
    assert table[:2, 0] == pytest.approx([0.005, 0.015])
    assert table[:, 1:].mean(axis=0) == pytest.approx(0, abs=1e-4)
    drawn = draw_strategies(study)
    for name in drawn.tables:
        kept = np.genfromtxt(study.out / name, delimiter=",", skip_header=1)[:, 1:]
        assert kept.shape == (len(table), 40)
        assert 0.3 < kept.mean() < 0.7
        assert set(kept.ravel()) == {0, 1}


def test_masks_are_drawn_as_the_experiment_has_them() -> None:
    config = SpectroMaskNetConfig(mask=BlockMaskOptions(block_frames=4, ratio=0.3))
    assert mask_options(config, "grid") == BlockMaskOptions(
        strategy="grid", block_frames=4, ratio=0.3
    )
    assert mask_options(object(), "random") == BlockMaskOptions()
