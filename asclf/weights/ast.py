"""The AST checkpoints of `transformers`, such as MIT/ast-finetuned-audioset-10-10-0.4593.

`tests/parity` holds the backbone to the outputs of its class there, by this translation.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

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
    # transformers 5 has these names in memory; its files have those above.
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
    "embeddings.cls_token": "backbone.class_token",
    "embeddings.distillation_token": "backbone.distillation_token",
    "embeddings.patch_embeddings.projection.": "backbone.patches.",
    "embeddings.position_embeddings": "backbone.positions",
    "layernorm.": "backbone.norm.",
}


def translate(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The weights of `ASTForAudioClassification`, or of its `ASTModel` alone, by our names."""
    return {our_name(name): value for name, value in weights.items()}


def our_name(name: str) -> str:
    """Our name of one of their weights; without its model's prefix where there is none."""
    name = name.removeprefix("audio_spectrogram_transformer.")
    block = BLOCK.fullmatch(name)
    if block is None:
        return renamed(name, MODULES)
    return f"backbone.blocks.{block['number']}.{renamed(block['rest'], PARTS_OF_A_BLOCK)}"


SOURCE = Source(
    "transformers",
    translate,
    settings={
        "sample_rate": 16_000,
        "frontend": {  # as in conf/frontend/ast.yaml, which says why the lower edge is not at 20 Hz
            "type": "fbank",
            "num_mel_bins": 128,
            "window": "hanning",
            "low_freq_hz": 21.0,
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
"""The settings of the models that were trained on AudioSet."""
