"""The AST checkpoints of `transformers`, such as MIT/ast-finetuned-audioset-10-10-0.4593.

`tests/parity` holds the backbones to the outputs of its class, by this very translation.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import torch
from torch import Tensor

from asclf.weights.source import Source, renamed

BLOCK = re.compile(r"(?:encoder\.layer|layers)\.(?P<number>\d+)\.(?P<rest>.+)")
PARTS_OF_A_BLOCK = {
    "attention.attention.": "attention.",
    "attention.output.dense.": "attention.project.",
    "intermediate.dense.": "mlp.0.",
    "layernorm_after.": "mlp_norm.",
    "layernorm_before.": "attention_norm.",
    "output.dense.": "mlp.2.",
    # The names in memory since transformers 5; its files have those above.
    "attention.k_proj.": "attention.key.",
    "attention.o_proj.": "attention.project.",
    "attention.q_proj.": "attention.query.",
    "attention.v_proj.": "attention.value.",
    "mlp.fc1.": "mlp.0.",
    "mlp.fc2.": "mlp.2.",
}
MODULES = {
    "classifier.dense.": "head.output.",
    "classifier.layernorm.": "backbone.embed_norm.",
    "embeddings.patch_embeddings.projection.": "backbone.patches.",
    "embeddings.position_embeddings": "backbone.positions",
    "layernorm.": "backbone.norm.",
}
TOKENS = ("embeddings.cls_token", "embeddings.distillation_token")


def translate(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The weights of `ASTForAudioClassification`, or of its `ASTModel` alone, by our names."""
    theirs = {
        name.removeprefix("audio_spectrogram_transformer."): value
        for name, value in weights.items()
    }
    ours = {our_name(name): value for name, value in theirs.items() if name not in TOKENS}
    tokens = [theirs[name] for name in TOKENS if name in theirs]
    return {**ours, "backbone.tokens": torch.cat(tokens, dim=1)} if tokens else ours


def our_name(name: str) -> str:
    """Our name of one of their weights; `name` itself where there is none."""
    block = BLOCK.fullmatch(name)
    if block is None:
        return renamed(name, MODULES)
    return f"backbone.blocks.{block['number']}.{renamed(block['rest'], PARTS_OF_A_BLOCK)}"


SOURCE = Source(
    "transformers",
    translate,
    settings={
        "sample_rate": 16_000,
        "frontend": {
            "type": "fbank",
            "num_mel_bins": 126,
            "window": "hanning",
            "high_freq_hz": 0.0,
            "snip_edges": True,
            "floor_db": None,
            "mean_norm": False,
        },
        "backbone": {"num_frames": 1024, "feats_mean_std": [-4.2677393, 4.5689974]},
        "head": {"type": "linear"},
        "loss": {"type": "bce"},
    },
)
