"""The measured table of models is of today's networks."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from asclf.complexity import complexity_of_backbone, usual_feat_dim
from asclf.registry import BACKBONES, HEADS

ROOT = Path(__file__).parents[2]
AGAIN = "run tools/bench/models.py --json docs/measured/models.json, then tools/measured_tables.py"
CLASSES = 50


@pytest.fixture(scope="module")
def rows() -> dict[str, dict[str, Any]]:
    measured = json.loads((ROOT / "docs/measured/models.json").read_text(encoding="utf-8"))
    return {row["backbone"]: row for row in measured["rows"]}


def test_every_backbone_has_a_row_with_its_parameters_and_its_sources(
    rows: dict[str, dict[str, Any]],
) -> None:
    assert set(rows) == set(BACKBONES.names()), AGAIN
    assert len(rows) >= 29
    for name, row in rows.items():
        factory = BACKBONES.get(name).factory
        assert row["params"] == _parameters(name), f"{name}: {AGAIN}"
        assert row["paper"] == factory.paper, f"{name}: {AGAIN}"
        assert row["reference"] == getattr(factory, "reference", ""), f"{name}: {AGAIN}"


@pytest.mark.slow
def test_the_costs_in_the_table_are_those_of_today(rows: dict[str, dict[str, Any]]) -> None:
    for name, row in rows.items():
        short, long = (complexity_of_backbone(name, frames).macs for frames in (98, 498))
        assert (row["MMACs 1 s"], row["MMACs 5 s"]) == (round(short / 1e6), round(long / 1e6)), name


def _parameters(name: str) -> int:
    with torch.device("meta"):
        backbone = BACKBONES.get(name).build(feat_dim=usual_feat_dim(name))
        head = HEADS.get("linear").build(embed_dim=backbone.embed_dim, num_classes=CLASSES)
    return sum(p.numel() for module in (backbone, head) for p in module.parameters())
