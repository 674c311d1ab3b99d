"""Our TDNN, ECAPA-TDNN and CAM++ with a linear head against those of PyPI's `macls`."""

from __future__ import annotations

import copy
from dataclasses import dataclass

import pytest
import torch
from torch import nn

from asclf.backbones._blocks.pooling import PoolingKind
from asclf.complexity import Network
from asclf.registry import BACKBONES, HEADS
from asclf.weights.convert import shaped_like
from asclf.weights.macls import SOURCES

pytestmark = pytest.mark.parity

macls = pytest.importorskip(
    "macls.models", reason="macls is not installed: pip install --no-deps macls loguru tqdm"
)

NUM_CLASSES = 50
FEAT_DIM = 80


@dataclass(frozen=True)
class Case:
    """A backbone of ours, its class in macls, and the pooling of both."""

    ours: str
    theirs: str
    pooling: PoolingKind
    pooling_type: str | None = None

    def __str__(self) -> str:
        return f"{self.ours}-{self.pooling}"


CASES = [
    Case("campplus", "CAMPPlus", "stats"),
    Case("ecapa_tdnn", "EcapaTdnn", "asp"),
    Case("tdnn", "TDNN", "asp", "ASP"),
    Case("tdnn", "TDNN", "avg", "TAP"),
    Case("tdnn", "TDNN", "sap", "SAP"),
]


def randomise(model: nn.Module) -> None:
    """Norms too: fresh running means and scales would hide an exchanged order."""
    for module in model.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            nn.init.uniform_(module.running_mean, -0.5, 0.5)
            nn.init.uniform_(module.running_var, 0.5, 2.0)
            if module.affine:
                nn.init.uniform_(module.weight, 0.5, 1.5)
                nn.init.uniform_(module.bias, -0.5, 0.5)


@pytest.fixture(scope="module", params=CASES, ids=str)
def models(request: pytest.FixtureRequest) -> tuple[nn.Module, nn.Module]:
    """Theirs and ours with the same random weights."""
    case: Case = request.param
    torch.manual_seed(0)
    options = {"pooling_type": case.pooling_type} if case.pooling_type else {}
    theirs = getattr(macls, case.theirs)(NUM_CLASSES, FEAT_DIM, **options)
    randomise(theirs)
    entry = BACKBONES.get(case.ours)
    backbone = entry.build(entry.configure(pooling=case.pooling), feat_dim=FEAT_DIM)
    head = HEADS.get("linear").build(embed_dim=backbone.embed_dim, num_classes=NUM_CLASSES)
    ours = Network(backbone, head)
    weights = SOURCES[case.ours].translate(theirs.state_dict())
    ours.load_state_dict(shaped_like(ours.state_dict(), weights))
    return theirs.eval(), ours.eval()


@pytest.mark.parametrize("frames", [98, 498])
def test_same_weights_give_the_same_logits(
    models: tuple[nn.Module, nn.Module], frames: int
) -> None:
    theirs, ours = models
    feats = torch.randn(3, frames, FEAT_DIM)
    with torch.inference_mode():
        expected, found = theirs(feats), ours(feats)
    assert expected.std() > 0.1
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-4)


@pytest.mark.parametrize("training", [False, True])
def test_same_weights_give_the_same_gradients(
    models: tuple[nn.Module, nn.Module], training: bool
) -> None:
    """In double precision, where a unit at the threshold of a ReLU is on the same side in both."""
    feats = torch.randn(3, 230, FEAT_DIM, dtype=torch.float64)  # of two segments in CAM++
    grads = []
    for model in models:
        x = feats.clone().requires_grad_()
        copy.deepcopy(model).double().train(training)(x).square().sum().backward()
        assert x.grad is not None
        grads.append(x.grad)
    expected, found = grads
    atol = 1e-5 * expected.abs().max().item()  # theirs divides by T in single precision
    torch.testing.assert_close(found, expected, rtol=0, atol=atol)
