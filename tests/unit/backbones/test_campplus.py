from __future__ import annotations

import pytest
import torch

from asclf.backbones._blocks.valid import Valid
from asclf.backbones.campplus import SEGMENT_FRAMES, Segments
from asclf.registry import BACKBONES, HEADS

ENTRY = BACKBONES.get("campplus")
SMALL = ENTRY.configure(
    stem_channels=4, channels=8, depths=(1, 2, 1), growth=4, bottleneck_factor=2, embed_dim=6
)


@pytest.mark.parametrize(
    ("num_classes", "params"), [(10, 7_181_354), (35, 7_194_179), (50, 7_201_874)]
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


@pytest.mark.parametrize("frames", [1, 99, 100, 101, 250])
def test_a_context_is_the_mean_of_the_clip_plus_that_of_its_segment(frames: int) -> None:
    x = torch.randn(2, 3, frames, 1)
    segments = Segments(x, None)
    found = segments.spread(segments.context(x))
    expected = torch.cat(
        [part.mean(2, keepdim=True).expand_as(part) for part in x.split(SEGMENT_FRAMES, dim=2)],
        dim=2,
    )
    torch.testing.assert_close(found, expected + x.mean(2, keepdim=True))


def test_a_context_leaves_padding_out() -> None:
    lengths = torch.tensor([230, 101, 100, 1])
    x = torch.randn(4, 3, 230, 1)
    segments = Segments(x, Valid(lengths, 230))
    found = segments.spread(segments.context(x))
    assert found.isfinite().all()
    for i, length in enumerate(lengths):
        clip = x[i : i + 1, :, :length]
        alone = Segments(clip, None)
        expected = alone.spread(alone.context(clip))
        torch.testing.assert_close(found[i : i + 1, :, :length], expected)


def test_padding_over_several_segments_does_not_matter() -> None:
    backbone = ENTRY.build(SMALL, feat_dim=20).eval()
    feats, lengths = 10 * torch.randn(3, 450, 20), torch.tensor([450, 301, 20])
    together = backbone(feats, lengths)
    for i, length in enumerate(lengths):
        alone = backbone(feats[i : i + 1, :length])
        torch.testing.assert_close(together[i : i + 1], alone, rtol=1e-4, atol=1e-5)


def test_training_with_padding_learns_what_it_learns_without() -> None:
    backbone = ENTRY.build(SMALL, feat_dim=20).double().train()
    feats = torch.randn(3, 240, 20, dtype=torch.float64)
    padded = torch.cat([feats, feats.new_full((3, 33, 20), 100)], dim=1)
    alone, together = backbone(feats), backbone(padded, torch.full((3,), 240))
    # the root of a channel's variance of about 0, then a norm over 3 clips: rounding grows
    torch.testing.assert_close(together, alone, rtol=1e-5, atol=1e-5)
