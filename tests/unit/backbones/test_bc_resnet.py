from __future__ import annotations

import pytest
import torch
from torch import nn

from asclf.backbones._blocks.valid import Valid
from asclf.backbones.bc_resnet import SubSpectralNorm
from asclf.registry import BACKBONES, HEADS

ENTRY = BACKBONES.get("bc_resnet_1")
PARAMETERS = {
    "bc_resnet_1": {10: 9_166, 12: 9_232, 35: 9_991, 50: 10_486},
    "bc_resnet_1_5": {10: 17_056, 12: 17_154, 35: 18_281, 50: 19_016},
    "bc_resnet_2": {10: 27_154, 12: 27_284, 35: 28_779, 50: 29_754},
    "bc_resnet_3": {10: 53_974, 12: 54_168, 35: 56_399, 50: 57_854},
    "bc_resnet_6": {10: 187_426, 12: 187_812, 35: 192_251, 50: 195_146},
    "bc_resnet_8": {10: 320_554, 12: 321_068, 35: 326_979, 50: 330_834},
}
"""By name and classes; the paper states those of 12 classes, in thousands."""


@pytest.mark.parametrize("name", PARAMETERS)
@pytest.mark.parametrize("feat_dim", [40, 80])
def test_parameters_are_those_of_the_paper(name: str, feat_dim: int) -> None:
    found = {}
    for num_classes in PARAMETERS[name]:
        with torch.device("meta"):
            backbone = BACKBONES.get(name).build(feat_dim=feat_dim)
            head = HEADS.get("linear").build(embed_dim=backbone.embed_dim, num_classes=num_classes)
        found[num_classes] = sum(p.numel() for m in (backbone, head) for p in m.parameters())
    assert found == PARAMETERS[name]


@pytest.mark.parametrize("feat_dim", [1, 13, 23, 40, 64, 128])
def test_any_number_of_bins_works(feat_dim: int) -> None:
    backbone = ENTRY.build(feat_dim=feat_dim)
    embedding = backbone(torch.randn(2, 20, feat_dim))
    assert embedding.shape == (2, backbone.embed_dim)
    assert embedding.isfinite().all()


def test_each_band_is_normalised_by_itself() -> None:
    norm = SubSpectralNorm(channels=3, bins=10, max_bands=5)
    x = torch.randn(4, 3, 7, 10) * torch.arange(1, 11)  # (B, C, T, F), louder bin by bin
    bands = [nn.BatchNorm2d(3)(band) for band in x.split(2, dim=3)]
    torch.testing.assert_close(norm(x, None), torch.cat(bands, dim=3))
    running = torch.stack([band.var((0, 2, 3)) for band in x.split(2, dim=3)])  # (S, C)
    torch.testing.assert_close(norm.norm.running_var, (0.9 + 0.1 * running).flatten())


@pytest.mark.parametrize(("bins", "num_bands"), [(20, 5), (16, 4), (7, 1), (3, 3), (1, 1)])
def test_bands_divide_the_bins(bins: int, num_bands: int) -> None:
    assert SubSpectralNorm(channels=2, bins=bins, max_bands=5).num_bands == num_bands


def test_padding_is_in_no_bands_statistics() -> None:
    x, valid = torch.randn(2, 3, 8, 10), Valid(torch.tensor([8, 5]), 8)
    first, second = (SubSpectralNorm(channels=3, bins=10, max_bands=5) for _ in range(2))
    first(x, valid)
    x[1, :, 5:] = 100.0
    second(x, valid)
    torch.testing.assert_close(first.norm.running_mean, second.norm.running_mean)


def test_every_frame_has_part_in_the_embedding_and_no_stride_leaves_one_out() -> None:
    backbone = ENTRY.build(feat_dim=40).eval()
    feats = torch.randn(1, 12, 40, requires_grad=True)
    backbone(feats).square().sum().backward()
    assert feats.grad is not None
    assert (feats.grad.abs().sum(2) > 0).all()
