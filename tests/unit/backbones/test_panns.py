from __future__ import annotations

import pytest
import torch

from asclf.registry import BACKBONES, HEADS

PARAMETERS = {
    "panns_cnn6": {10: 4_573_226, 35: 4_586_051, 50: 4_593_746},
    "panns_cnn10": {10: 4_956_010, 35: 4_968_835, 50: 4_976_530},
    "panns_cnn14": {10: 79_702_378, 35: 79_753_603, 50: 79_784_338},
}
ENTRY = BACKBONES.get("panns_cnn10")
SMALL = ENTRY.configure(channels=(4, 6, 8, 10), embed_dim=12)


@pytest.mark.parametrize("name", PARAMETERS)
def test_parameters_are_those_of_the_reference(name: str) -> None:
    with torch.device("meta"):
        backbone = BACKBONES.get(name).build(feat_dim=80)
        heads = {
            num_classes: HEADS.get("linear").build(
                embed_dim=backbone.embed_dim, num_classes=num_classes
            )
            for num_classes in PARAMETERS[name]
        }
    found = {
        num_classes: sum(p.numel() for module in (backbone, head) for p in module.parameters())
        for num_classes, head in heads.items()
    }
    assert found == PARAMETERS[name]


@pytest.mark.parametrize("feat_dim", [1, 9, 40, 64, 101])
def test_any_number_of_bins_works(feat_dim: int) -> None:
    backbone = ENTRY.build(SMALL, feat_dim=feat_dim).eval()
    embedding = backbone(torch.randn(2, 33, feat_dim))
    assert embedding.shape == (2, 12)
    assert embedding.isfinite().all()


@pytest.mark.parametrize("frames", [1, 15])
def test_a_clip_of_few_frames_is_one_whose_last_frame_is_repeated(frames: int) -> None:
    backbone = ENTRY.build(SMALL, feat_dim=6).eval()
    feats = torch.randn(2, frames, 6)
    longer = torch.cat([feats, feats[:, -1:].expand(2, 16 - frames, 6)], dim=1)
    torch.testing.assert_close(backbone(feats), backbone(longer))


def test_the_clip_maximum_is_part_of_the_embedding_and_padding_is_not() -> None:
    backbone = ENTRY.build(SMALL, feat_dim=16).eval()
    feats, lengths = torch.zeros(2, 64, 16), torch.tensor([64, 40])
    quiet = backbone(feats, lengths)
    feats[:, 48:] = 5.0
    loud = backbone(feats, lengths)
    torch.testing.assert_close(loud[1], quiet[1])
    assert not torch.allclose(loud[0], quiet[0])


def test_padding_has_no_part_in_the_statistics_of_training() -> None:
    feats, lengths = torch.randn(2, 64, 16), torch.tensor([64, 32])
    statistics = []
    for loudness in (0.0, 100.0):
        torch.manual_seed(0)
        backbone = ENTRY.build(SMALL, feat_dim=16).train()
        feats[1, 32:] = loudness
        backbone(feats, lengths)
        statistics.append({name: value.clone() for name, value in backbone.named_buffers()})
    for name, value in statistics[0].items():
        torch.testing.assert_close(statistics[1][name], value, msg=name)
