"""Our Res2Net, ResNetSE and ERes2Net with a linear head against those of PyPI's `macls`."""

from __future__ import annotations

import copy
import re
from itertools import accumulate

import pytest
import torch
from torch import Tensor, nn

from asclf.complexity import Network
from asclf.registry import BACKBONES, HEADS

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
DEPTHS = (3, 4, 6, 3)
FIRST_BLOCKS = (0, *accumulate(DEPTHS))  # where all blocks stand in one list
PARTS = [  # of their names, each with what stands for it in ours
    (r"^fc\.", "head.output."),
    (r"^(conv|bn)1\.", r"backbone.stem.\1."),
    (r"^pooling\.tdnn\.conv\.conv\.", "backbone.embed.pool.hidden."),
    (r"^pooling\.tdnn\.norm\.norm\.", "backbone.embed.pool.norm."),
    (r"^pooling\.conv\.conv\.", "backbone.embed.pool.scores."),
    (r"^bn2\.", "backbone.embed.pooled_norm."),
    (r"^linear\.", "backbone.embed.project."),
    (r"^bn3\.", "backbone.embed.norm."),
    (r"^seg_1\.", "backbone.project."),
    (r"^layer(\d)_downsample\.", lambda found: f"backbone.fusions.{int(found[1]) - 1}.down."),
    (r"^layer3_ds\.", "backbone.fusions.0.down."),
    (r"^fuse_mode12(3?4?)\.", lambda found: f"backbone.fusions.{len(found[1])}.fuse."),
    (r"^fuse34\.", "backbone.fusions.0.fuse."),
    (r"^layer(\d)\.(\d+)\.", r"backbone.stages.\1.\2."),
    (r"\.(conv|bn)1\.", r".enter.\1."),
    (r"\.(conv|bn)2\.", r".middle.\1."),
    (r"\.(conv|bn)3\.", r".leave.\1."),
    (r"\.(conv|bn)s\.(\d)\.", r".convs.\2.\1."),
    (r"\.se\.fc\.0\.", ".gate.squeeze."),
    (r"\.se\.fc\.2\.", ".gate.excite."),
    (r"\.(?:downsample|shortcut)\.0\.", ".shortcut.conv."),
    (r"\.(?:downsample|shortcut)\.1\.", ".shortcut.bn."),
    (r"\.fuse_models\.", ".merges."),
    (r"\.local_att\.0\.", ".reduce.conv."),
    (r"\.local_att\.1\.", ".reduce.bn."),
    (r"\.local_att\.3\.", ".restore.conv."),
    (r"\.local_att\.4\.", ".restore.bn."),
    (r"\.bn\.", ".norm."),
]


def our_name(name: str, has_stages: bool) -> str:
    """The name of a weight of macls in `Network(backbone, head)`."""
    for theirs, ours in PARTS:
        name = re.sub(theirs, ours, name)
    block = re.match(r"backbone\.stages\.(\d)\.(\d+)\.(.*)", name)
    if not block:
        return name
    stage, number = int(block[1]) - 1, int(block[2])
    if has_stages:
        return f"backbone.stages.{stage}.blocks.{number}.{block[3]}"
    return f"backbone.blocks.{FIRST_BLOCKS[stage] + number}.{block[3]}"


def our_value(value: Tensor, shape: torch.Size) -> Tensor:
    """A weight of macls, whose kernels have frequency before time."""
    return value.transpose(2, 3) if value.dim() == 4 else value.reshape(shape)


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
    shapes = {name: value.shape for name, value in ours.state_dict().items()}
    has_stages = hasattr(backbone, "stages")
    named = {our_name(name, has_stages): value for name, value in theirs.state_dict().items()}
    ours.load_state_dict({name: our_value(value, shapes[name]) for name, value in named.items()})
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
