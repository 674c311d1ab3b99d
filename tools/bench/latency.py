"""Latency of exported networks on one thread of onnxruntime, ours beside macls' CAM++.

    python tools/bench/latency.py --models spectromasknet spectromasknet_small ecapa_tdnn
    python tools/bench/latency.py --models --onnx exp/NAME/bundle/model.onnx

The network alone is timed, on the feats of one 5-s clip; `asclf bench` times a bundle with its
front end. Backbones are built with random weights, which change nothing here, and a linear head for
50 classes, and exported as `asclf export` does it. All networks take turns in one process.
`macls` is only needed here: `pip install --no-deps macls loguru` beside `asclf[train,export]`.
"""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Callable, Mapping, Sequence
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
from asclf.edge.network import OnnxNetwork
from asclf.export.graph import write_onnx
from asclf.registry import BACKBONES, HEADS

REFERENCE = "macls CAMPPlus"
FRAMES_5_S = 498


def main(argv: Sequence[str] | None = None) -> int:
    """Exports, times and reports."""
    options = _parse(argv)
    torch.manual_seed(0)
    modules = {name: _own(name) for name in options.models}
    try:
        modules[REFERENCE] = _campplus()
    except ImportError as error:
        print(f"no row for {REFERENCE}: {error}; pip install --no-deps macls loguru")
    with TemporaryDirectory() as folder:
        paths = {path.stem if path.stem != "model" else str(path): path for path in options.onnx}
        paths |= {name: _export(module, Path(folder)) for name, module in modules.items()}
        rows = _measure(paths, options.frames, options.rounds, options.threads)
    title = (
        f"Network latency for {options.frames} frames × {FEAT_DIM} bins, "
        f"{options.threads} threads, {options.rounds} rounds"
    )
    report(title, rows, options.json)
    return 0


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--models", nargs="*", default=["spectromasknet_small"], metavar="NAME")
    parser.add_argument("--onnx", nargs="*", default=[], type=Path, metavar="FILE")
    parser.add_argument("--frames", type=int, default=FRAMES_5_S, help="498 = 5 s without padding")
    parser.add_argument("--rounds", type=int, default=50)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--json", type=Path, default=Path("exp/bench/latency.json"))
    return parser.parse_args(argv)


def _own(name: str) -> nn.Module:
    backbone = BACKBONES.get(name).build(feat_dim=FEAT_DIM)
    head = HEADS.get("linear").build(embed_dim=backbone.embed_dim, num_classes=NUM_CLASSES)
    return Network(backbone, head)


def _campplus() -> nn.Module:
    models = importlib.import_module("macls.models")
    model: nn.Module = models.CAMPPlus(num_class=NUM_CLASSES, input_size=FEAT_DIM)
    for layer in model.modules():
        if hasattr(layer, "memory_efficient"):
            layer.memory_efficient = False  # activation checkpoints are for training
    return model


def _export(module: nn.Module, folder: Path) -> Path:
    path = folder / f"{len(list(folder.iterdir()))}.onnx"
    write_onnx(module, path, example=torch.randn(2, FRAMES_5_S, FEAT_DIM), metadata={})
    return path


def _measure(
    paths: Mapping[str, Path], frames: int, rounds: int, threads: int
) -> list[dict[str, Any]]:
    feats = np.random.default_rng(0).standard_normal((1, frames, FEAT_DIM), np.float32)
    cases: dict[str, Callable[[], object]] = {
        name: partial(OnnxNetwork(path, threads).logits, feats) for name, path in paths.items()
    }
    seconds = interleave(cases, rounds)
    reference = median(seconds[REFERENCE]) if REFERENCE in seconds else None
    return [
        {
            "network": name,
            "MB": paths[name].stat().st_size / 1e6,
            "p50_ms": 1e3 * median(times),
            "p95_ms": 1e3 * float(np.percentile(times, 95)),
            f"share of {REFERENCE}": median(times) / reference if reference else None,
        }
        for name, times in seconds.items()
    ]


if __name__ == "__main__":
    sys.exit(main())
