from __future__ import annotations

from typing import Any

import pytest
import torch

from asclf.registry import BACKBONES, HEADS

ENTRY = BACKBONES.get("matchboxnet")


def count(num_classes: int, feat_dim: int, **options: Any) -> int:
    """Parameters with a linear head."""
    with torch.device("meta"):
        backbone = ENTRY.build(ENTRY.configure(**options), feat_dim=feat_dim)
        head = HEADS.get("linear").build(embed_dim=backbone.embed_dim, num_classes=num_classes)
    return sum(p.numel() for module in (backbone, head) for p in module.parameters())


def test_parameters_are_those_of_the_paper() -> None:
    """77 k and 93 k, for the 30 classes of Speech Commands V1 and 64 MFCCs."""
    assert count(30, feat_dim=64) == 77_214
    assert count(30, feat_dim=64, repeats=2) == 92_766


@pytest.mark.parametrize(("num_classes", "params"), [(10, 76_858), (35, 80_083), (50, 82_018)])
def test_parameters_with_80_bins(num_classes: int, params: int) -> None:
    assert count(num_classes, feat_dim=80) == params


@pytest.mark.parametrize("feat_dim", [1, 13, 40, 64])
def test_any_number_of_features_works(feat_dim: int) -> None:
    backbone = ENTRY.build(feat_dim=feat_dim)
    assert backbone(torch.randn(2, 7, feat_dim)).shape == (2, 128)


def test_blocks_have_the_kernels_and_repeats_of_the_configuration() -> None:
    backbone = ENTRY.build(ENTRY.configure(kernels=(3, 5), repeats=3, channels=8), feat_dim=4)
    kernels = [[conv.depthwise.kernel_size for conv in block.convs] for block in backbone.blocks]
    assert kernels == [[(3, 1)] * 3, [(5, 1)] * 3]


def test_a_frame_sees_54_others_to_either_side() -> None:
    """Half kernels of 5, 6, 7, 8, and of 14 that are dilated by 2."""
    backbone = ENTRY.build(feat_dim=4).eval()
    feats = torch.randn(1, 200, 4, requires_grad=True)
    frames: list[torch.Tensor] = []
    backbone.mix.register_forward_hook(lambda *hooked: frames.append(hooked[2]))
    backbone(feats)
    frames[0][0, :, 100].square().sum().backward()  # (B, D, T, 1)
    assert feats.grad is not None
    seen = feats.grad.abs().sum((0, 2)).nonzero().flatten()
    assert (seen.min(), seen.max()) == (100 - 54, 100 + 54)
