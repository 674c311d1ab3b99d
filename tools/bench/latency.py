"""Speed, size and memory of networks on one thread of onnxruntime, ours beside macls' CAM++.

    python tools/bench/latency.py --models spectromasknet spectromasknet_small --int8 --train
    python tools/bench/latency.py --models --onnx exp/NAME/bundle/model.onnx

The network alone is timed, on the feats of one 5-s clip; `asclf bench` times a bundle with its
front end. Backbones are built with random weights, which change nothing here, and a linear head for
50 classes, and exported as `asclf export` does it. All networks take turns in one process; memory
is the peak of a process of its own that runs one of them. With --int8 each of ours is quantised,
once wherever it can be and once where it pays; with --train the table also has the clips/s of a
training step (`train_step.py`). `macls` is only needed here: `pip install --no-deps macls loguru`
beside `asclf[train,export]`.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import onnx
import torch
import train_step
from _int8 import quantise
from _networks import MACLS_FEAT_DIM, of_macls, own
from _networks import REFERENCE as CAMPPLUS
from _timing import interleave, report
from numpy.typing import NDArray
from torch import nn

from asclf.complexity import usual_feat_dim
from asclf.edge.network import OnnxNetwork
from asclf.export.graph import write_onnx

REFERENCE = f"macls {CAMPPLUS}"
FRAMES_5_S = 498
CALIBRATION_CLIPS = 4
PAYS_FROM = 1000
"""Weights from which on a convolution is quantised in the rows "int8 where it pays"."""

MEASURE_MEMORY = """
import sys
from pathlib import Path
import numpy as np
from asclf.edge.machine import peak_rss_bytes
from asclf.edge.network import OnnxNetwork
frames, bins = map(int, sys.argv[2:])
network = OnnxNetwork(Path(sys.argv[1]))
for _ in range(5):
    network.logits(np.zeros((1, frames, bins), np.float32))
print(peak_rss_bytes())
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Exports, times and reports."""
    options = _parse(argv)
    torch.manual_seed(0)
    modules: dict[str, nn.Module] = {name: own(name) for name in options.models}
    try:
        modules[REFERENCE] = campplus()
    except ImportError as error:
        print(f"no row for {REFERENCE}: {error}; pip install --no-deps macls loguru")
    with TemporaryDirectory() as folder:
        paths = {path.stem if path.stem != "model" else str(path): path for path in options.onnx}
        for name, module in modules.items():
            bins = MACLS_FEAT_DIM if name == REFERENCE else usual_feat_dim(name)
            paths[name] = export(module, bins, Path(folder))
        if options.int8:
            for name in (*options.models, *paths.keys() - modules.keys()):
                paths |= _quantised(name, paths[name], options.frames, Path(folder))
        rows = _measure(paths, options)
    if options.train:
        _add_training(rows, options)
    setting = f"{options.frames} frames, {options.threads} threads, {options.rounds} rounds"
    report(f"Network latency for {setting}", rows, options.json)
    return 0


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--models", nargs="*", default=["spectromasknet_small"], metavar="NAME")
    parser.add_argument("--onnx", nargs="*", default=[], type=Path, metavar="FILE")
    parser.add_argument("--int8", action="store_true", help="add quantised versions")
    parser.add_argument("--train", action="store_true", help="add the clips/s of a training step")
    parser.add_argument("--frames", type=int, default=FRAMES_5_S, help="498 = 5 s without padding")
    parser.add_argument("--rounds", type=int, default=50)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--json", type=Path, default=Path("exp/bench/latency.json"))
    return parser.parse_args(argv)


def campplus() -> nn.Module:
    """macls' CAM++ as it runs, not as it trains."""
    model = of_macls(CAMPPLUS)
    for layer in model.modules():
        if hasattr(layer, "memory_efficient"):
            layer.memory_efficient = False  # type: ignore[assignment]  # checkpoints are for training
    return model


def export(module: nn.Module, feat_dim: int, folder: Path) -> Path:
    """Writes a network for feats of `feat_dim` bins into a folder, under a name of its own."""
    path = folder / f"{len(list(folder.iterdir()))}.onnx"
    write_onnx(module, path, example=torch.randn(2, FRAMES_5_S, feat_dim), metadata={})
    return path


def random_feats(path: Path, frames: int, seed: int = 0) -> NDArray[np.float32]:
    """Random feats (1, T, F) of as many bins as an exported network wants."""
    shape = onnx.load(path).graph.input[0].type.tensor_type.shape
    size = (1, frames, shape.dim[2].dim_value)
    return np.random.default_rng(seed).standard_normal(size, np.float32)


def _quantised(name: str, path: Path, frames: int, folder: Path) -> dict[str, Path]:
    feats = [random_feats(path, frames, seed) for seed in range(1, CALIBRATION_CLIPS + 1)]
    versions = {"int8 everywhere": 0, "int8 where it pays": PAYS_FROM}
    return {
        f"{name}, {version}": quantise(path, folder / f"{name}{size}.int8.onnx", feats, size)
        for version, size in versions.items()
    }


def _measure(paths: Mapping[str, Path], options: argparse.Namespace) -> list[dict[str, Any]]:
    cases: dict[str, Callable[[], object]] = {
        name: partial(OnnxNetwork(path, options.threads).logits, random_feats(path, options.frames))
        for name, path in paths.items()
    }
    seconds = interleave(cases, options.rounds)
    medians = {name: median(times) for name, times in seconds.items()}
    return [
        {
            "network": name,
            "MB": paths[name].stat().st_size / 1e6,
            "peak_RSS_MB": _peak_memory(paths[name], options.frames) / 1e6,
            "p50_ms": 1e3 * medians[name],
            "p95_ms": 1e3 * float(np.percentile(times, 95)),
            "x fp32": _ratio(medians.get(name.partition(",")[0]), medians[name]),
            f"share of {REFERENCE}": _ratio(medians[name], medians.get(REFERENCE)),
        }
        for name, times in seconds.items()
    ]


def _peak_memory(path: Path, frames: int) -> int:
    _, T, F = random_feats(path, frames).shape
    command = [sys.executable, "-c", MEASURE_MEMORY, str(path), str(T), str(F)]
    return int(subprocess.check_output(command))


def _ratio(above: float | None, below: float | None) -> float | None:
    return above / below if above and below else None


def _add_training(rows: Sequence[dict[str, Any]], options: argparse.Namespace) -> None:
    """Adds two columns; a network that was read from a file, or quantised, is not trained."""
    macls = [CAMPPLUS] if any(row["network"] == REFERENCE for row in rows) else []
    trained = train_step.measure(options.models, macls)
    for row in rows:
        found = trained.get(row["network"], {})
        row["training clips/s"] = found.get("clips_per_s")
        row[f"training x {REFERENCE}"] = found.get(f"x {REFERENCE}")


if __name__ == "__main__":
    sys.exit(main())
