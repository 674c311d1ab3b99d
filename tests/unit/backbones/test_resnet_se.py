from __future__ import annotations

import pytest
import torch

from asclf.backbones._blocks.valid import Valid
from asclf.backbones.resnet_se import Gate
from asclf.registry import BACKBONES, HEADS

ENTRY = BACKBONES.get("resnet_se")
SMALL = ENTRY.configure(channels=(4, 4, 6, 8), depths=(1, 1, 1, 1), embed_dim=6)


@pytest.mark.parametrize(
    ("num_classes", "params"), [(10, 9_125_826), (35, 9_130_651), (50, 9_133_546)]
)
def test_parameters_are_those_of_the_reference(num_classes: int, params: int) -> None:
    with torch.device("meta"):
        backbone = ENTRY.build(feat_dim=80)
        head = HEADS.get("linear").build(embed_dim=backbone.embed_dim, num_classes=num_classes)
    found = sum(p.numel() for module in (backbone, head) for p in module.parameters())
    assert found == params


@pytest.mark.parametrize("feat_dim", [1, 7, 40, 81])
def test_any_number_of_bins_works(feat_dim: int) -> None:
    backbone = ENTRY.build(SMALL, feat_dim=feat_dim).eval()
    assert backbone(torch.randn(2, 19, feat_dim)).shape == (2, 6)


@pytest.mark.parametrize("pooling", ["avg", "stats", "asp", "sap", "attention"])
def test_any_pooling_works(pooling: str) -> None:
    config = ENTRY.configure(channels=(4, 4, 6, 8), depths=(1, 1, 1, 1), pooling=pooling)
    assert ENTRY.build(config, feat_dim=16).eval()(torch.randn(2, 9, 16)).shape == (2, 192)


def test_a_gate_sees_the_mean_of_the_valid_frames() -> None:
    gate = Gate(16, reduction=4)
    x = torch.randn(2, 16, 9, 5)
    expected = torch.sigmoid(gate.excite(torch.relu(gate.squeeze(x[:, :, :7].mean((2, 3))))))
    found = gate(x, Valid(torch.tensor([7, 7]), 9))
    torch.testing.assert_close(found[:, :, 0, 0], expected)
