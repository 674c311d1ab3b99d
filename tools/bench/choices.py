"""What each choice of SpectroMaskNet costs: training step and latency against the small preset.

    python tools/bench/choices.py

Each row changes one thing of `spectromasknet_small`.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from _timing import interleave, report
from torch import nn

from asclf.complexity import FEAT_DIM, NUM_CLASSES, Network
from asclf.device import keep_freed_memory
from asclf.edge.network import OnnxNetwork
from asclf.export.graph import write_onnx
from asclf.registry import BACKBONES, HEADS, LOSSES, OPTIMIZERS

PRESET = "spectromasknet_small"
CHOICES: Mapping[str, Mapping[str, Any]] = {
    "as it is": {},
    "modules at the stage's resolution": {"module_strides": (1, 1, 1, 1)},
    "stages 3 and 4 at the stage's resolution": {"module_strides": (2, 2, 1, 1)},
    "full 3×3 convolutions in all global modules": {"global_convs": ("full",) * 4},
    "attention alone in all global modules": {"global_convs": ("none",) * 4},
    "7×7 kernels at all global entries": {"global_entry_kernels": (7, 7, 7, 7)},
    "full convolutions at all entries": {"separable_entry": False},
    "7×7 kernels in the local modules": {"local_kernels": (7, 7, 7, 7)},
    "the local norm before W_d": {"local_norm": "before"},
    "group norm": {"norm": "group"},
    "GELU": {"activation": "gelu"},
    "SiLU": {"activation": "silu"},
    "enhancement widened 2×": {"expansions": (2, 2, 2, 2)},
    "a stem of stride 2": {"strides": (2, 2, 2, 1)},
}


def main(argv: Sequence[str] | None = None) -> int:
    """Times every choice in turn and reports its ratios to the preset."""
    options = _parse(argv)
    torch.set_num_threads(options.threads)
    keep_freed_memory()
    torch.manual_seed(0)
    networks = {name: _network(changes) for name, changes in CHOICES.items()}
    latency = _latency(networks, options.rounds)
    steps = {name: _step(network) for name, network in networks.items()}
    training = _medians(interleave(steps, options.rounds))
    first = next(iter(CHOICES))
    rows = [
        {
            "choice": name,
            "params": sum(parameter.numel() for parameter in network.parameters()),
            "x training step": training[name] / training[first],
            "x latency": latency[name] / latency[first],
        }
        for name, network in networks.items()
    ]
    report(f"What the choices of {PRESET} cost", rows, options.json)
    return 0


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--threads", type=int, default=2, help="of the training step")
    parser.add_argument("--json", type=Path, default=Path("exp/bench/choices.json"))
    return parser.parse_args(argv)


def _network(changes: Mapping[str, Any]) -> nn.Module:
    entry = BACKBONES.get(PRESET)
    backbone = entry.build(entry.configure(**changes), feat_dim=FEAT_DIM)
    head = HEADS.get("linear").build(embed_dim=backbone.embed_dim, num_classes=NUM_CLASSES)
    return Network(backbone, head)


def _latency(networks: Mapping[str, nn.Module], rounds: int) -> dict[str, float]:
    feats = np.random.default_rng(0).standard_normal((1, 498, FEAT_DIM), np.float32)
    cases = {}
    with TemporaryDirectory() as folder:
        for i, (name, network) in enumerate(networks.items()):
            path = Path(folder) / f"{i}.onnx"
            write_onnx(network, path, example=torch.randn(2, 498, FEAT_DIM), metadata={})
            cases[name] = partial(OnnxNetwork(path).logits, feats)
        return _medians(interleave(cases, 2 * rounds))


def _step(network: nn.Module) -> partial[None]:
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimizer = OPTIMIZERS.get("adam").build(model=network.train())
    loss = LOSSES.get("cross_entropy").build(num_classes=NUM_CLASSES)
    feats = torch.randn(16, 298, FEAT_DIM)
    targets = torch.eye(NUM_CLASSES)[torch.randint(NUM_CLASSES, (16,))]

    def step() -> None:
        optimizer.zero_grad(set_to_none=True)
        loss(network(feats), targets).backward()
        optimizer.step()

    return partial(step)


def _medians(seconds: Mapping[str, Sequence[float]]) -> dict[str, float]:
    return {name: median(times) for name, times in seconds.items()}


if __name__ == "__main__":
    sys.exit(main())
