from __future__ import annotations

import pytest
import torch

from asclf.backbones.tdnn import MIN_FRAMES
from asclf.registry import BACKBONES, HEADS

ENTRY = BACKBONES.get("tdnn")
SMALL = ENTRY.configure(channels=16, embed_dim=6)


@pytest.mark.parametrize(
    ("num_classes", "params"), [(10, 2_772_810), (35, 2_777_635), (50, 2_780_530)]
)
def test_parameters_are_those_of_the_reference(num_classes: int, params: int) -> None:
    with torch.device("meta"):
        backbone = ENTRY.build(feat_dim=80)
        head = HEADS.get("linear").build(embed_dim=backbone.embed_dim, num_classes=num_classes)
    found = sum(p.numel() for module in (backbone, head) for p in module.parameters())
    assert found == params


@pytest.mark.parametrize("frames", [1, 2, MIN_FRAMES - 1])
def test_a_clip_of_few_frames_is_one_whose_last_frame_is_repeated(frames: int) -> None:
    backbone = ENTRY.build(SMALL, feat_dim=8).eval()
    feats = torch.randn(2, frames, 8)
    longer = torch.cat([feats, feats[:, -1:].expand(2, MIN_FRAMES - frames, 8)], dim=1)
    torch.testing.assert_close(backbone(feats), backbone(longer))


def test_it_pools_the_frames_that_see_fifteen() -> None:
    assert MIN_FRAMES == 15
    backbone = ENTRY.build(ENTRY.configure(channels=16, pooling="avg"), feat_dim=8).eval()
    first, second = torch.randn(1, 15, 8), torch.randn(1, 15, 8)
    seen: list[int] = []
    backbone.embed.pool.register_forward_hook(lambda _, args, __: seen.append(args[0].shape[2]))
    backbone(first)
    backbone(torch.cat([first, second], dim=1))
    assert seen == [1, 16]


def test_training_with_padding_learns_what_it_learns_without() -> None:
    backbone = ENTRY.build(SMALL, feat_dim=8).double().train()
    feats = torch.randn(3, 40, 8, dtype=torch.float64)
    padded = torch.cat([feats, feats.new_full((3, 7, 8), 100)], dim=1)
    for norm in backbone.embed.pool.modules():  # the one norm that counts padding
        if isinstance(norm, torch.nn.BatchNorm2d):
            norm.eval()
    alone, together = backbone(feats), backbone(padded, torch.full((3,), 40))
    torch.testing.assert_close(together, alone)
