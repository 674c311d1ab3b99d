"""Figures of what a network looks at, of a small SpectroMaskNet with random weights."""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest

from asclf.analysis.cam_figure import draw_cam
from asclf.analysis.gains import draw_relevance
from asclf.analysis.study import Study
from asclf.data.shards import ShardIndex

pytest.importorskip("matplotlib")

CONFIG = """
frontend: {{type: fbank, num_mel_bins: 20}}
backbone: {{type: spectromasknet_tiny, channels: [4, 4, 4, 4], depths: [1, 1, 1, 1]}}
data: {{test_fold: 1, shards: {shards}}}
"""


@pytest.fixture
def experiment(make_run: Callable[[Path, str], Path], tiny_shards: Path, tmp_path: Path) -> Path:
    run = make_run(tmp_path / "exp" / "fold1", CONFIG.format(shards=tiny_shards))
    facts = {"manifest_hash": ShardIndex.load(tiny_shards).manifest_hash}
    (run / "data.json").write_text(json.dumps(facts), encoding="utf-8")
    (run / "summary.json").write_text("{}", encoding="utf-8")
    return run.parent


def test_areas_are_those_of_the_curves_and_maps_are_of_the_clip(
    experiment: Path,
    make_study: Callable[..., Study],
    read_csv: Callable[[Path], list[dict[str, str]]],
) -> None:
    study = make_study(experiment, clip="1-1")
    drawn = draw_cam(study)
    assert drawn.text.startswith("1-1 (dog): the network says ")
    areas = {row["order"]: row for row in read_csv(study.out / "cam_areas.csv")}
    assert list(areas)[:4] == ["global", "local", "both", "random 1"]
    curves = read_csv(study.out / "cam_curves.csv")
    for kind in ("deletion", "insertion"):
        values = [float(row[kind]) for row in curves if row["order"] == "both"]
        area = sum((one + other) / 2 for one, other in pairwise(values)) / (len(values) - 1)
        assert area == pytest.approx(float(areas["both"][f"{kind}_area"]), abs=1e-5)
    maps = [read_csv(study.out / f"cam_{name}.csv") for name in ("global", "local", "both")]
    assert [len(each) for each in maps] == [30, 30, 30]
    of_parts, total = [float(each[7]["bin_3"]) for each in maps[:2]], float(maps[2][7]["bin_3"])
    assert sum(of_parts) == pytest.approx(total, abs=1e-6)
    modules = {row["module"] for row in read_csv(study.out / "cam_attention.csv")}
    assert modules == {f"global branch, stage {stage}" for stage in (1, 2, 3, 4)}


def test_gains_are_of_clips_that_the_run_never_saw(
    experiment: Path,
    make_study: Callable[..., Study],
    read_csv: Callable[[Path], list[dict[str, str]]],
) -> None:
    study = make_study(experiment, clips=3)
    drawn = draw_relevance(study)
    rows = read_csv(study.out / "relevance.csv")
    names = {row["clip_id"] for row in rows}
    assert len(names) == 3 == len(rows) / 3
    assert all(name.startswith("1-") for name in names)
    mean = sum(float(row["deletion_gain"]) for row in rows if row["order"] == "local") / 3
    better = sum(float(row["deletion_gain"]) > 0 for row in rows if row["order"] == "local")
    assert f"local: deletion {mean:+.3f}, better on {better} of 3" in drawn.text
