from __future__ import annotations

import pytest
import torch
from torch import nn

from asclf.backbones.efficientat import EfficientAT, divisible
from asclf.complexity import Network
from asclf.registry import BACKBONES, HEADS

FEAT_DIM = 128


def build(name: str, head: str = "mlp", num_classes: int = 50) -> Network:
    backbone = BACKBONES.get(name).build(feat_dim=FEAT_DIM)
    return Network(
        backbone,
        HEADS.get(head).build(embed_dim=backbone.embed_dim, num_classes=num_classes),
    )


def trained(module: nn.Module) -> nn.Module:
    """The module with norms that move and scale, as those of a trained network do."""
    for norm in module.modules():
        if isinstance(norm, nn.BatchNorm2d):
            nn.init.uniform_(norm.running_mean, -0.5, 0.5)
            nn.init.uniform_(norm.running_var, 0.5, 2.0)
            nn.init.uniform_(norm.weight, 0.5, 1.5)
            nn.init.uniform_(norm.bias, -0.5, 0.5)
    return module.eval()


@pytest.fixture(scope="module")
def network() -> nn.Module:
    """The smallest size with norms that are not fresh."""
    torch.manual_seed(0)
    return trained(build("efficientat_mn04"))


@pytest.mark.parametrize(
    ("name", "for_audioset", "for_esc50"),
    [
        ("efficientat_mn04", 983_599, 738_898),
        ("efficientat_mn05", 1_431_239, 1_125_482),
        ("efficientat_mn10", 4_876_831, 4_265_794),
        ("efficientat_mn20", 17_909_287, 16_687_690),
        ("efficientat_mn30", 39_086_367, 37_254_210),
        ("efficientat_mn40", 68_427_303, 65_984_586),
    ],
)
def test_parameters_with_the_published_head(name: str, for_audioset: int, for_esc50: int) -> None:
    with torch.device("meta"):
        for num_classes, expected in ((527, for_audioset), (50, for_esc50)):
            found = build(name, num_classes=num_classes)
            assert sum(parameter.numel() for parameter in found.parameters()) == expected


@pytest.mark.parametrize(("num_classes", "expected"), [(10, 519_978), (35, 529_603), (50, 535_378)])
def test_parameters_with_a_linear_head(num_classes: int, expected: int) -> None:
    with torch.device("meta"):
        found = build("efficientat_mn04", "linear", num_classes)
    assert sum(parameter.numel() for parameter in found.parameters()) == expected


def test_every_size_of_the_input_is_halved_five_times() -> None:
    maps = []
    with torch.device("meta"):
        backbone = BACKBONES.get("efficientat_mn04").build(feat_dim=FEAT_DIM)
        backbone.widen.register_forward_hook(lambda *call: maps.append(call[2][0].shape))
        backbone(torch.empty(2, 500, FEAT_DIM))
    assert maps == [(2, 384, 16, 4)]


@pytest.mark.parametrize(
    ("asked", "channels"), [(1.0, 8), (6.4, 8), (9.6, 16), (24.0, 24), (28.8, 32), (44.8, 48)]
)
def test_widths_are_multiples_of_8_that_lose_no_tenth(asked: float, channels: int) -> None:
    assert divisible(asked) == channels


def test_padding_changes_nothing_where_norms_move_zero(network: Network) -> None:
    assert isinstance(network.backbone, EfficientAT)
    lengths = torch.tensor([97, 96, 33, 1])
    feats = torch.randn(4, 97, FEAT_DIM)
    with torch.inference_mode():
        together = network.backbone(feats, lengths)
        alone = [
            network.backbone(clip[None, :length])
            for clip, length in zip(feats, lengths, strict=True)
        ]
    torch.testing.assert_close(together, torch.cat(alone), rtol=0, atol=1e-5)
