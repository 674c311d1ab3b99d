from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from asclf.checkpoint import load_checkpoint
from asclf.errors import CheckpointError
from asclf.weights.ast import our_name
from asclf.weights.convert import import_weights

WIDTH, CLASSES = 12, 4
PREFIX = "audio_spectrogram_transformer."
BLOCK = f"{PREFIX}encoder.layer.0."
LINEAR = {
    f"{BLOCK}attention.attention.query": (WIDTH, WIDTH),
    f"{BLOCK}attention.attention.key": (WIDTH, WIDTH),
    f"{BLOCK}attention.attention.value": (WIDTH, WIDTH),
    f"{BLOCK}attention.output.dense": (WIDTH, WIDTH),
    f"{BLOCK}intermediate.dense": (4 * WIDTH, WIDTH),
    f"{BLOCK}output.dense": (WIDTH, 4 * WIDTH),
    f"{PREFIX}embeddings.patch_embeddings.projection": (WIDTH, 1, 16, 16),
    "classifier.dense": (CLASSES, WIDTH),
}
NORMS = (
    f"{BLOCK}layernorm_before",
    f"{BLOCK}layernorm_after",
    f"{PREFIX}layernorm",
    "classifier.layernorm",
)
SIZES = (
    "backbone.embed_dim=12",
    "backbone.num_heads=2",
    "backbone.depth=1",
    "backbone.num_frames=64",
    "frontend.num_mel_bins=40",
)


def published() -> dict[str, Tensor]:
    """A network of one block for 64 frames of 40 bins, by the names of transformers' files."""
    weights = {f"{name}.weight": torch.randn(shape) for name, shape in LINEAR.items()}
    weights |= {f"{name}.bias": torch.randn(shape[0]) for name, shape in LINEAR.items()}
    weights |= {
        f"{name}.{part}": torch.randn(WIDTH) for name in NORMS for part in ("weight", "bias")
    }
    for token in ("cls_token", "distillation_token"):
        weights[f"{PREFIX}embeddings.{token}"] = torch.randn(1, 1, WIDTH)
    weights[f"{PREFIX}embeddings.position_embeddings"] = torch.randn(1, 2 + 3 * 5, WIDTH)
    return weights


def test_a_file_of_transformers_becomes_a_checkpoint(tmp_path: Path) -> None:
    weights, out = published(), tmp_path / "ast.safetensors"
    save_file(weights, tmp_path / "model.safetensors")
    imported = import_weights(tmp_path / "model.safetensors", "ast_tiny", out, overrides=SIZES)
    assert (imported.project, imported.left_out) == ("transformers", 0)
    assert imported.parameters == sum(value.numel() for value in weights.values())
    checkpoint = load_checkpoint(out)
    state = checkpoint.model.state_dict()
    assert state.keys() == {our_name(name) for name in weights}
    for name, value in weights.items():
        torch.testing.assert_close(state[our_name(name)], value, rtol=0, atol=0)
    mean, _ = checkpoint.config.backbone.config.feats_mean_std
    assert mean == pytest.approx(-4.268, abs=1e-3)  # of AudioSet, as the authors publish it


def test_positions_for_clips_of_another_length_are_refused(tmp_path: Path) -> None:
    save_file(published(), tmp_path / "model.safetensors")
    with pytest.raises(CheckpointError, match=r"'backbone\.positions' \(1, 17, 12\)"):
        import_weights(
            tmp_path / "model.safetensors",
            "ast_tiny",
            tmp_path / "ast.safetensors",
            overrides=(*SIZES, "backbone.num_frames=128"),
        )


@pytest.mark.parametrize(
    ("published_name", "name_in_memory"),
    [
        ("encoder.layer.11.attention.attention.query.bias", "layers.11.attention.q_proj.bias"),
        ("encoder.layer.1.attention.attention.key.weight", "layers.1.attention.k_proj.weight"),
        ("encoder.layer.1.attention.attention.value.bias", "layers.1.attention.v_proj.bias"),
        ("encoder.layer.0.attention.output.dense.bias", "layers.0.attention.o_proj.bias"),
        ("encoder.layer.0.intermediate.dense.weight", "layers.0.mlp.fc1.weight"),
        ("encoder.layer.0.output.dense.weight", "layers.0.mlp.fc2.weight"),
    ],
)
def test_both_spellings_are_one_weight(published_name: str, name_in_memory: str) -> None:
    assert our_name(published_name) == our_name(PREFIX + name_in_memory)
    assert our_name(published_name).startswith("backbone.blocks.")
