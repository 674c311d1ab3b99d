"""A `model.pth` of PyPI's `macls`, imported, gives from a recording the logits that macls gives."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torchaudio.compliance import kaldi

from asclf.checkpoint import load_checkpoint
from asclf.weights.convert import import_weights
from asclf.weights.macls import SOURCES

pytestmark = pytest.mark.parity

macls = pytest.importorskip(
    "macls.models", reason="macls is not installed: pip install --no-deps macls loguru tqdm"
)

NUM_CLASSES = 10
CLASSES = {
    "campplus": "CAMPPlus",
    "ecapa_tdnn": "EcapaTdnn",
    "eres2net": "ERes2Net",
    "eres2netv2": "ERes2NetV2",
    "panns_cnn6": "PANNS_CNN6",
    "res2net": "Res2Net",
    "resnet_se": "ResNetSE",
    "tdnn": "TDNN",
}
"""One of each class; the sizes of PANNs share their names."""


def their_feats(waveform: Tensor) -> Tensor:
    """What macls computes by default, (B, S) → (B, T, 80): −20 dB, Kaldi's fbank, less its mean."""
    levelled = 0.1 * waveform / waveform.square().mean(1, keepdim=True).sqrt()
    feats = torch.stack([kaldi.fbank(clip[None], num_mel_bins=80) for clip in levelled])
    return feats - feats.mean(1, keepdim=True)


def test_every_family_is_tried() -> None:
    tried = {"panns" if name.startswith("panns") else name for name in CLASSES}
    assert tried - {"eres2netv2"} == set(SOURCES)


@pytest.mark.parametrize("name", CLASSES)
def test_logits_from_a_recording(name: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    theirs: nn.Module = getattr(macls, CLASSES[name])(num_class=NUM_CLASSES, input_size=80).eval()
    torch.save(theirs.state_dict(), tmp_path / "model.pth")
    imported = import_weights(tmp_path / "model.pth", name, tmp_path / "ours.safetensors")
    assert imported.left_out == (2 if name.startswith("panns") else 0)
    ours = load_checkpoint(tmp_path / "ours.safetensors").model
    waveform = 0.03 * torch.randn(2, 16_000)
    with torch.inference_mode():
        expected, found = theirs(their_feats(waveform)), ours(waveform)
    tolerance = 0.01 * expected.std().item()  # features agree to 1e-3 in nearly every cell
    torch.testing.assert_close(found, expected, rtol=0, atol=tolerance)
