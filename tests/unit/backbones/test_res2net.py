from __future__ import annotations

import pytest
import torch

from asclf.registry import BACKBONES, HEADS

ENTRY = BACKBONES.get("res2net")
SMALL = ENTRY.configure(channels=(4, 4, 6, 8), depths=(1, 1, 2, 1), base_width=64, embed_dim=6)


@pytest.mark.parametrize(
    ("num_classes", "params"), [(10, 5_613_770), (35, 5_618_595), (50, 5_621_490)]
)
def test_parameters_are_those_of_the_reference(num_classes: int, params: int) -> None:
    with torch.device("meta"):
        backbone = ENTRY.build(feat_dim=80)
        head = HEADS.get("linear").build(embed_dim=backbone.embed_dim, num_classes=num_classes)
    found = sum(p.numel() for module in (backbone, head) for p in module.parameters())
    assert found == params


@pytest.mark.parametrize("feat_dim", [1, 4, 7, 40, 81, 128, 257])
def test_any_number_of_bins_works(feat_dim: int) -> None:
    backbone = ENTRY.build(SMALL, feat_dim=feat_dim).eval()
    assert backbone(torch.randn(2, 19, feat_dim)).shape == (2, 6)


@pytest.mark.parametrize("groups", [2, 3, 4])
def test_any_number_of_groups_works(groups: int) -> None:
    config = ENTRY.configure(channels=(4, 4, 6, 8), depths=(2, 1, 1, 1), groups=groups)
    assert ENTRY.build(config, feat_dim=20).eval()(torch.randn(2, 60, 20)).shape == (2, 192)


@pytest.mark.parametrize("frames", range(5, 30))
def test_as_many_frames_are_valid_as_the_stem_leaves(frames: int) -> None:
    stem = ENTRY.build(SMALL, feat_dim=20).stem
    x, valid = stem(torch.randn(1, 1, frames, 20), None)
    assert valid is None
    assert x.shape[3] == stem.bins(20)
    assert x.shape[2] == stem.bins(frames)
