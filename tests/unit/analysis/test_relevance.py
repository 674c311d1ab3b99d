"""Networks that look at one corner, or nowhere: their maps must say so."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from asclf.analysis.attention import attention_maps
from asclf.analysis.faithfulness import at_random, by_relevance, cell_numbers
from asclf.analysis.relevance import grad_cams
from asclf.backbones.spectromasknet import SpectroMaskNet, SpectroMaskNetConfig
from asclf.errors import DataError
from asclf.model import AudioClassifier

FRAMES, BINS = 60, 40
CORNER = (slice(0, 20), slice(0, 10))


class Corner(nn.Module):
    """Keeps the first 20 frames and 10 bins of (B, 1, T, F)."""

    def forward(self, x: Tensor) -> Tensor:
        T, F = x.shape[2:]
        kept = (torch.arange(T) < 20).unsqueeze(1) & (torch.arange(F) < 10)
        return x * kept


class CornerNet(nn.Module):
    """Sums what is in one corner; with `bins_first` its map is (B, 1, F, T)."""

    def __init__(self, *, bins_first: bool = False) -> None:
        super().__init__()
        self.corner, self.turn = Corner(), nn.Identity()
        self.bins_first = bins_first

    def forward(self, feats: Tensor, lengths: None = None) -> Tensor:  # noqa: ARG002
        kept = self.corner(feats.unsqueeze(1))
        if self.bins_first:
            kept = self.turn(kept.transpose(2, 3))
        return kept.sum((2, 3))


def classifier(backbone: nn.Module, embed_dim: int = 1) -> AudioClassifier:
    head = nn.Linear(embed_dim, 2, bias=False)
    if embed_dim == 1:
        head.weight.data = torch.tensor([[-0.003], [0.003]])
    return AudioClassifier(nn.Identity(), (), backbone, head).eval()  # type: ignore[arg-type]


@pytest.fixture
def feats() -> Tensor:
    """(T, F) with most energy in the corner, each bin's mean taken off."""
    noise = torch.rand((FRAMES, BINS), generator=torch.Generator().manual_seed(0))
    noise[CORNER] += 2
    return noise - noise.mean(0)


@pytest.mark.parametrize("bins_first", [False, True])
def test_map_of_a_network_that_looks_at_a_corner_points_there(
    feats: Tensor, bins_first: bool
) -> None:
    model = classifier(CornerNet(bins_first=bins_first))
    (cam,) = grad_cams(model, feats.unsqueeze(0), target=1).values()
    assert cam.shape == (FRAMES, BINS)
    assert cam[CORNER].min() > 0
    assert cam.sum() == pytest.approx(cam[CORNER].sum())
    against = grad_cams(model, feats.unsqueeze(0), target=0)["network"]
    np.testing.assert_allclose(against, -cam, atol=1e-6)


def test_taking_what_is_relevant_hurts_more_than_taking_anything(feats: Tensor) -> None:
    model = classifier(CornerNet())

    def probability(batch: Tensor) -> np.ndarray:
        with torch.no_grad():
            return np.asarray(model.classify_feats(batch).softmax(1)[:, 1], dtype=np.float64)

    cam = grad_cams(model, feats.unsqueeze(0), target=1)["network"]
    guided, random = by_relevance(probability, feats, cam), at_random(probability, feats, draws=4)
    assert guided.deletion_area < min(each.deletion_area for each in random) - 0.05
    assert guided.insertion_area > max(each.insertion_area for each in random) + 0.02
    backwards = by_relevance(probability, feats, -cam)
    assert backwards.deletion_area > max(each.deletion_area for each in random)
    whole = probability(feats.unsqueeze(0))[0]
    for each in (guided, *random):
        assert each.deletion[0] == pytest.approx(whole) == each.insertion[-1]
        assert each.deletion[-1] == pytest.approx(each.insertion[0])


def test_every_value_is_in_one_cell_and_narrow_ones_are_at_the_ends() -> None:
    cells = cell_numbers(25, 12)
    assert np.bincount(cells.ravel()).tolist() == [100, 20, 100, 20, 50, 10]


def test_network_without_maps_of_time_and_frequency_says_so(feats: Tensor) -> None:
    class Flat(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv1d(BINS, 1, 1)

        def forward(self, feats: Tensor, lengths: None = None) -> Tensor:  # noqa: ARG002
            return self.conv(feats.transpose(1, 2)).mean(2)

    with pytest.raises(DataError, match="Flat: it has no feature maps of time and frequency"):
        grad_cams(classifier(Flat()), feats.unsqueeze(0), target=0)


def test_branches_of_spectromasknet_add_up_to_the_logit_and_show_their_attention(
    feats: Tensor,
) -> None:
    torch.manual_seed(0)
    config = SpectroMaskNetConfig(
        channels=(4, 4, 6, 8), depths=(1, 2, 1, 1), strides=(1, 1, 1, 1), reduction=2
    )
    backbone = SpectroMaskNet(config, feat_dim=BINS)
    model = classifier(backbone, embed_dim=8)
    batch = feats.unsqueeze(0)
    cams = grad_cams(model, batch, target=1)
    assert list(cams) == ["global", "local"]
    logit = model.classify_feats(batch)[0, 1].item()
    total = sum(float(cam.sum()) for cam in cams.values())
    assert total == pytest.approx(logit, rel=1e-4)  # the mean of each map is its share of the logit
    maps = attention_maps(backbone, batch)
    assert [each.module for each in maps] == [f"global branch, stage {n}" for n in (1, 2, 3, 4)]
    assert [len(each.channel) for each in maps] == [4, 4, 6, 8]
    assert (len(maps[0].temporal), len(maps[0].frequency)) == (FRAMES // 2, BINS // 2)
    assert all(0 < each.temporal.min() <= each.temporal.max() < 1 for each in maps)
