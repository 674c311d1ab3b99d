"""Our AST with a linear head against the classes of the PyPI package `transformers`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from asclf.audio.features import FbankOptions, fbank
from asclf.bundle.golden import noise, sweep
from asclf.complexity import Network
from asclf.config.yaml import read_yaml
from asclf.registry import BACKBONES, HEADS
from asclf.weights.ast import translate

pytestmark = pytest.mark.parity

transformers = pytest.importorskip(
    "transformers",
    reason="transformers is not installed: pip install --no-deps transformers, and what it imports",
)

NUM_CLASSES = 50
SMALL = {"embed_dim": 48, "num_heads": 4, "depth": 3}
FRONTEND = Path(__file__).parents[2] / "conf/frontend/ast.yaml"


def reference(*, frames: int, bins: int, embed_dim: int, num_heads: int, depth: int) -> nn.Module:
    """Their classifier, every weight of it random: fresh tokens and positions would be 0."""
    torch.manual_seed(0)
    config = transformers.ASTConfig(
        hidden_size=embed_dim,
        num_hidden_layers=depth,
        num_attention_heads=num_heads,
        intermediate_size=4 * embed_dim,
        max_length=frames,
        num_mel_bins=bins,
        num_labels=NUM_CLASSES,
    )
    model: nn.Module = transformers.ASTForAudioClassification(config).eval()
    for name, parameter in model.named_parameters():
        scale = 0.3 if parameter.ndim == 1 or "embeddings." in name else parameter.shape[1] ** -0.5
        centre = 1.0 if "layernorm" in name and name.endswith("weight") else 0.0
        nn.init.normal_(parameter, centre, scale)
    return model


def classifier(*, frames: int, bins: int, **sizes: int) -> Network:
    """Ours of the same sizes, with fresh weights."""
    entry = BACKBONES.get("ast_tiny")
    backbone = entry.build(entry.configure(num_frames=frames, **sizes), feat_dim=bins)
    head = HEADS.get("linear").build(embed_dim=backbone.embed_dim, num_classes=NUM_CLASSES)
    return Network(backbone, head).eval()


def pair(**sizes: Any) -> tuple[nn.Module, Network]:
    """Theirs and ours with the same weights."""
    theirs, ours = reference(**sizes), classifier(**sizes)
    ours.load_state_dict(translate(theirs.state_dict()))
    return theirs, ours


@pytest.mark.parametrize(
    "sizes",
    [
        {"frames": 98, "bins": 128, **SMALL},
        {"frames": 498, "bins": 128, **SMALL},
        {"frames": 61, "bins": 40, **SMALL},
        {"frames": 512, "bins": 128, "embed_dim": 192, "num_heads": 3, "depth": 12},
    ],
    ids=["98", "498", "odd", "tiny"],
)
def test_same_weights_give_the_same_logits_and_embeddings(sizes: dict[str, int]) -> None:
    theirs, ours = pair(**sizes)
    feats = 2 * torch.randn(3, sizes["frames"], sizes["bins"])
    with torch.inference_mode():
        expected, found = theirs(feats).logits, ours(feats)
        pooled = theirs.audio_spectrogram_transformer(feats).pooler_output
        embedding = ours.backbone(feats)
    assert expected.std() > 0.1
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-4)
    with torch.inference_mode():
        torch.testing.assert_close(
            embedding, theirs.classifier.layernorm(pooled), rtol=0, atol=1e-4
        )


def test_same_weights_give_the_same_gradients() -> None:
    models = pair(frames=60, bins=40, **SMALL)
    feats = torch.randn(2, 60, 40)
    grads = []
    for model in models:
        x = feats.clone().requires_grad_()
        logits = model(x)
        getattr(logits, "logits", logits).square().sum().backward()
        assert x.grad is not None
        grads.append(x.grad)
    assert grads[0].std() > 1e-3
    torch.testing.assert_close(grads[1], grads[0], rtol=1e-3, atol=1e-4)


def test_their_files_are_translated_whole(tmp_path: Path) -> None:
    from safetensors.torch import load_file

    sizes = {"frames": 60, "bins": 40, **SMALL}
    theirs, ours = pair(**sizes)
    theirs.save_pretrained(tmp_path)
    from_file = classifier(**sizes)
    from_file.load_state_dict(translate(load_file(tmp_path / "model.safetensors")))
    feats = torch.randn(2, 60, 40)
    with torch.inference_mode():
        torch.testing.assert_close(from_file(feats), ours(feats), rtol=0, atol=0)


def test_the_front_end_gives_their_features_but_for_the_filter_that_is_empty_there() -> None:
    options = dict(read_yaml(FRONTEND).plain()["frontend"])
    assert options.pop("type") == "fbank"
    waveform = sweep(16_000, 16_000) + noise(16_000, seed=0)
    extractor = transformers.ASTFeatureExtractor(max_length=98, do_normalize=False)
    theirs = extractor(waveform, sampling_rate=16_000)["input_values"][0]
    ours = fbank(waveform, 16_000, FbankOptions(**options))
    assert theirs.shape == ours.shape == (98, 128)
    assert np.ptp(theirs[:, 3]) == 0
    assert theirs.std() > 3
    difference = np.abs(theirs - ours).mean(axis=0)
    assert np.delete(difference, 3).mean() < 0.1
    assert difference[8:].max() < 0.4
