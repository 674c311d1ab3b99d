"""Our Res2Net, ResNetSE and ERes2Net with a linear head against those of PyPI's `macls`."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from asclf.complexity import Network
from asclf.registry import BACKBONES, HEADS
from asclf.weights.convert import find_source, shaped_like

pytestmark = pytest.mark.parity

macls = pytest.importorskip(
    "macls.models", reason="macls is not installed: pip install --no-deps macls loguru tqdm"
)

NUM_CLASSES = 50
FEAT_DIM = 80
CLASSES = {
    "eres2net": "ERes2Net",
    "eres2netv2": "ERes2NetV2",
    "res2net": "Res2Net",
    "resnet_se": "ResNetSE",
}


def randomise(model: nn.Module) -> None:
    """Norms too: fresh running means and scales would hide an exchanged order."""
    for module in model.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            nn.init.uniform_(module.running_mean, -0.5, 0.5)
            nn.init.uniform_(module.running_var, 0.5, 2.0)
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.uniform_(module.bias, -0.5, 0.5)


@pytest.fixture(scope="module", params=CLASSES)
def models(request: pytest.FixtureRequest) -> tuple[nn.Module, nn.Module]:
    """Theirs and ours with the same random weights."""
    torch.manual_seed(0)
    theirs = getattr(macls, CLASSES[request.param])(num_class=NUM_CLASSES, input_size=FEAT_DIM)
    randomise(theirs)
    backbone = BACKBONES.get(request.param).build(feat_dim=FEAT_DIM)
    head = HEADS.get("linear").build(embed_dim=backbone.embed_dim, num_classes=NUM_CLASSES)
    ours = Network(backbone, head)
    weights = find_source(request.param).translate(theirs.state_dict())
    ours.load_state_dict(shaped_like(ours.state_dict(), weights))
    return theirs.eval(), ours.eval()


@pytest.mark.parametrize("frames", [98, 498])
def test_same_weights_give_the_same_logits(
    models: tuple[nn.Module, nn.Module], frames: int
) -> None:
    theirs, ours = models
    feats = torch.randn(2, frames, FEAT_DIM)
    with torch.inference_mode():
        expected, found = theirs(feats), ours(feats)
    assert expected.std() > 0.1
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-4)


@pytest.mark.parametrize("training", [False, True])
def test_same_weights_give_the_same_gradients(
    models: tuple[nn.Module, nn.Module], training: bool
) -> None:
    """In double precision, where a unit at the threshold of a ReLU is on the same side in both."""
    feats = torch.randn(3, 60, FEAT_DIM, dtype=torch.float64)
    grads = []
    for model in models:
        x = feats.clone().requires_grad_()
        copied = copy.deepcopy(model).double().train(training)
        copied(x.clone()).square().sum().backward()  # theirs turns its input in place
        assert x.grad is not None
        grads.append(x.grad)
    expected, found = grads
    atol = 1e-5 * expected.abs().max().item()  # ERes2Net's adds 1e-8 to the variances over time
    torch.testing.assert_close(found, expected, rtol=0, atol=atol)
