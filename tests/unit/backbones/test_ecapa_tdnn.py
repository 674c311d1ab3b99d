from __future__ import annotations

import pytest
import torch

from asclf.config.bind import bind
from asclf.config.yaml import parse_yaml
from asclf.errors import ConfigErrors
from asclf.registry import BACKBONES, HEADS

ENTRY = BACKBONES.get("ecapa_tdnn")
SMALL = ENTRY.configure(channels=16, aggregated_channels=24, bottleneck_channels=8, embed_dim=12)


@pytest.mark.parametrize(
    ("num_classes", "params"), [(10, 6_195_978), (35, 6_200_803), (50, 6_203_698)]
)
def test_parameters_are_those_of_the_reference(num_classes: int, params: int) -> None:
    with torch.device("meta"):
        backbone = ENTRY.build(feat_dim=80)
        head = HEADS.get("linear").build(embed_dim=backbone.embed_dim, num_classes=num_classes)
    found = sum(p.numel() for module in (backbone, head) for p in module.parameters())
    assert found == params


@pytest.mark.parametrize("frames", [1, 2, 4])
def test_a_clip_of_few_frames_is_one_whose_last_frame_is_repeated(frames: int) -> None:
    backbone = ENTRY.build(SMALL, feat_dim=6).eval()
    feats = torch.randn(2, frames, 6)
    longer = torch.cat([feats, feats[:, -1:].expand(2, 5 - frames, 6)], dim=1)
    torch.testing.assert_close(backbone(feats), backbone(longer))


def test_lengths_keep_padding_out_of_squeeze_and_pooling() -> None:
    backbone = ENTRY.build(SMALL, feat_dim=6).eval()
    feats, lengths = torch.randn(1, 200, 6), torch.tensor([150])
    feats[:, 150:] = 100.0
    alone, with_lengths = backbone(feats[:, :150]), backbone(feats, lengths)
    without = backbone(feats)
    # The last frames still see padding through the convolutions, which is why the policy is equal.
    assert (alone - with_lengths).norm() < 0.5 * (alone - without).norm()
    torch.testing.assert_close(backbone(feats, torch.tensor([200])), without)


def test_a_width_that_does_not_split_into_groups_is_refused() -> None:
    with pytest.raises(ConfigErrors, match=r"`channels` is 100.*multiple of 8"):
        bind(parse_yaml("channels: 100", "exp.yaml"), ENTRY.config_type)
