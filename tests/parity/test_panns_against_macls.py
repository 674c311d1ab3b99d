"""Our CNN6, CNN10 and CNN14 with a linear head against the classes of the PyPI package `macls`."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from asclf.complexity import Network
from asclf.registry import BACKBONES, HEADS
from asclf.weights.macls import SOURCES

pytestmark = pytest.mark.parity

macls = pytest.importorskip(
    "macls.models", reason="macls is not installed: pip install --no-deps macls loguru tqdm"
)

NUM_CLASSES = 50


def randomise(model: nn.Module) -> None:
    """Norms too: fresh running means and scales would hide an exchanged order."""
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.running_mean, -0.5, 0.5)
            nn.init.uniform_(module.running_var, 0.5, 2.0)
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.uniform_(module.bias, -0.5, 0.5)


@pytest.fixture(
    scope="module",
    params=[
        ("panns_cnn6", "PANNS_CNN6"),
        ("panns_cnn10", "PANNS_CNN10"),
        ("panns_cnn14", "PANNS_CNN14"),
    ],
    ids=lambda names: names[0],
)
def models(request: pytest.FixtureRequest) -> tuple[nn.Module, nn.Module]:
    """Theirs and ours with the same random weights."""
    ours_name, theirs_name = request.param
    torch.manual_seed(0)
    theirs = getattr(macls, theirs_name)(num_class=NUM_CLASSES, input_size=80).eval()
    randomise(theirs)
    backbone = BACKBONES.get(ours_name).build(feat_dim=80)
    head = HEADS.get("linear").build(embed_dim=backbone.embed_dim, num_classes=NUM_CLASSES)
    ours = Network(backbone, head).eval()
    ours.load_state_dict(SOURCES["panns"].translate(theirs.state_dict()))
    return theirs, ours


@pytest.mark.parametrize("frames", [98, 498])
def test_same_weights_give_the_same_logits(
    models: tuple[nn.Module, nn.Module], frames: int
) -> None:
    theirs, ours = models
    feats = torch.randn(2, frames, 80)
    with torch.inference_mode():
        expected, found = theirs(feats), ours(feats)
    assert expected.std() > 0.1
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-4)


def test_same_weights_give_the_same_gradients(models: tuple[nn.Module, nn.Module]) -> None:
    feats = torch.randn(2, 60, 80)
    grads = []
    for model in models:
        x = feats.clone().requires_grad_()
        model(x).square().sum().backward()
        assert x.grad is not None
        grads.append(x.grad)
    torch.testing.assert_close(grads[1], grads[0], rtol=1e-3, atol=1e-4)
