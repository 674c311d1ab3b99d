"""EfficientAT's checkpoints: github.com/fschmid56/EfficientAT, the releases' `.pt` files."""

from __future__ import annotations

import re
from collections.abc import Mapping

from torch import Tensor

from asclf.backbones.efficientat import BLOCKS
from asclf.weights.source import Source, renamed

FEATURE = re.compile(r"features\.(?P<layer>\d+)\.(?:block\.(?P<part>\d+)\.)?(?P<rest>.+)")
MODULES = {"classifier.2.": "head.hidden.", "classifier.5.": "head.output."}
PARTS_OF_A_LAYER = {
    "0.": "conv.",
    "1.": "norm.",
    "conc_se_layers.0.fc1.": "squeeze.",
    "conc_se_layers.0.fc2.": "expand.",
}


def translate(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """EfficientAT's weights by our names, kernels (O, I, F, T) turned to (O, I, T, F)."""
    return {
        our_name(name): value.transpose(2, 3) if value.ndim == 4 else value
        for name, value in weights.items()
    }


def our_name(name: str) -> str:
    """Our name of one of their weights; `name` itself where there is none."""
    feature = FEATURE.fullmatch(name)
    if feature is None:
        return renamed(name, MODULES)
    rest = renamed(feature["rest"], PARTS_OF_A_LAYER)
    return f"backbone.{_layer(int(feature['layer']), feature['part'])}.{rest}"


def _layer(number: int, part: str | None) -> str:
    """A layer of theirs, 0 the stem and the last the widening, or the part of a block."""
    if part is None:
        return "stem" if number == 0 else "widen"
    has_excitation = number <= len(BLOCKS) and BLOCKS[number - 1].has_excitation
    parts = ["expand", "depthwise", *(["excite"] if has_excitation else []), "project"]
    if number == 1:  # as wide inside as outside
        parts.remove("expand")
    return f"blocks.{number - 1}.{dict(enumerate(parts)).get(int(part), part)}"


SOURCE = Source(
    "EfficientAT",
    translate,
    settings={
        "sample_rate": 32_000,
        "frontend": {"type": "efficientat_mel"},
        "head": {"type": "mlp"},
        "loss": {"type": "bce"},
    },
)
