from __future__ import annotations

import pytest
import torch

from asclf.registry import BACKBONES, HEADS

ENTRY = BACKBONES.get("eres2net")
SMALL = {"channels": (4, 4, 6, 8), "depths": (1, 1, 1, 1), "base_width": 64, "embed_dim": 6}
PARAMS = {
    "eres2net": {10: 6_612_618, 35: 6_617_443, 50: 6_620_338},
    "eres2netv2": {10: 5_460_132, 35: 5_464_957, 50: 5_467_852},
}


@pytest.mark.parametrize("num_classes", [10, 35, 50])
@pytest.mark.parametrize("name", PARAMS)
def test_parameters_are_those_of_the_reference(name: str, num_classes: int) -> None:
    with torch.device("meta"):
        backbone = BACKBONES.get(name).build(feat_dim=80)
        head = HEADS.get("linear").build(embed_dim=backbone.embed_dim, num_classes=num_classes)
    found = sum(p.numel() for module in (backbone, head) for p in module.parameters())
    assert found == PARAMS[name][num_classes]


@pytest.mark.parametrize("feat_dim", [1, 7, 40, 81])
def test_any_number_of_bins_works(feat_dim: int) -> None:
    backbone = ENTRY.build(ENTRY.configure(**SMALL), feat_dim=feat_dim).eval()
    assert backbone(torch.randn(2, 19, feat_dim)).shape == (2, 6)


@pytest.mark.parametrize(("fuse_from", "fusions"), [(1, 3), (2, 2), (3, 1)])
def test_stages_are_fused_from_the_first_one_named(fuse_from: int, fusions: int) -> None:
    backbone = ENTRY.build(ENTRY.configure(**SMALL, fuse_from=fuse_from), feat_dim=16)
    assert len(backbone.fusions) == fusions
    assert backbone.eval()(torch.randn(2, 9, 16)).shape == (2, 6)


def test_any_number_of_groups_works() -> None:
    backbone = ENTRY.build(ENTRY.configure(**SMALL, groups=3), feat_dim=16).eval()
    assert backbone(torch.randn(2, 9, 16)).shape == (2, 6)
