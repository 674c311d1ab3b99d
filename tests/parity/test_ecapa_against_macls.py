"""Our ECAPA-TDNN with a linear head against the class of the PyPI package `macls`."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from asclf.complexity import Network
from asclf.registry import BACKBONES, HEADS
from asclf.weights.convert import shaped_like
from asclf.weights.macls import SOURCES

pytestmark = pytest.mark.parity

macls = pytest.importorskip(
    "macls.models", reason="macls is not installed: pip install --no-deps macls loguru tqdm"
)

NUM_CLASSES = 50


def randomise(model: nn.Module) -> None:
    """Norms too: fresh running means and scales would hide an exchanged order."""
    for module in model.modules():
        if isinstance(module, nn.BatchNorm1d):
            nn.init.uniform_(module.running_mean, -0.5, 0.5)
            nn.init.uniform_(module.running_var, 0.5, 2.0)
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.uniform_(module.bias, -0.5, 0.5)


@pytest.fixture(scope="module")
def models() -> tuple[nn.Module, nn.Module]:
    """Theirs and ours with the same random weights."""
    torch.manual_seed(0)
    theirs = macls.EcapaTdnn(num_class=NUM_CLASSES, input_size=80).eval()
    randomise(theirs)
    backbone = BACKBONES.get("ecapa_tdnn").build(feat_dim=80)
    head = HEADS.get("linear").build(embed_dim=backbone.embed_dim, num_classes=NUM_CLASSES)
    ours = Network(backbone, head).eval()
    weights = SOURCES["ecapa_tdnn"].translate(theirs.state_dict())
    ours.load_state_dict(shaped_like(ours.state_dict(), weights))
    return theirs, ours


@pytest.mark.parametrize("frames", [98, 498])
def test_same_weights_give_the_same_logits(
    models: tuple[nn.Module, nn.Module], frames: int
) -> None:
    theirs, ours = models
    feats = torch.randn(3, frames, 80)
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
