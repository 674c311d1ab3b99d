"""Our ECAPA-TDNN with a linear head against the class of the PyPI package `macls`."""

from __future__ import annotations

import re

import pytest
import torch
from torch import nn

from asclf.registry import BACKBONES, HEADS

pytestmark = pytest.mark.parity

macls = pytest.importorskip(
    "macls.models", reason="macls is not installed: pip install --no-deps macls loguru tqdm"
)

NUM_CLASSES = 50
CONV_RELU_NORM = {"conv.conv": "0", "norm.norm": "2"}  # TDNNBlock's names: ours
MODULES = {
    "asp_bn.norm": "0.norm",
    "asp.0": "0.pool.attention.2",
    "asp.tdnn": "0.pool.attention.0",
    "blocks.0": "0.stem",
    "fc.conv": "0.project",
    "mfa": "0.aggregate",
    "output": "1.output",
}
BLOCK_MODULES = {
    "res2net_block.blocks": "res2.convs",
    "se_block.conv1.conv": "excite.squeeze",
    "se_block.conv2.conv": "excite.expand",
    "tdnn1": "enter",
    "tdnn2": "leave",
}


def our_name(name: str) -> str:
    """The name of a weight of macls in `Sequential(backbone, head)`."""
    for theirs, ours in CONV_RELU_NORM.items():
        name = name.replace(f".{theirs}.", f".{ours}.")
    block = re.fullmatch(r"blocks\.([1-3])\.(.*)", name)
    if block:
        rest = replace_prefix(block[2], BLOCK_MODULES)
        return f"0.blocks.{int(block[1]) - 1}.{rest}"
    return replace_prefix(name, MODULES)


def replace_prefix(name: str, prefixes: dict[str, str]) -> str:
    theirs = next(prefix for prefix in prefixes if name.startswith(f"{prefix}."))
    return prefixes[theirs] + name.removeprefix(theirs)


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
    ours = nn.Sequential(backbone, head).eval()
    shapes = {name: value.shape for name, value in ours.state_dict().items()}
    weights = {our_name(name): value for name, value in theirs.state_dict().items()}
    ours.load_state_dict({name: value.reshape(shapes[name]) for name, value in weights.items()})
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
