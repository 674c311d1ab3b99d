"""One table of all backbones: size, cost, latency, training speed, paper, reference.

    python tools/bench/models.py --json docs/measured/models.json

Latency is the network's on one thread of onnxruntime, as a share of macls' CAM++ in the same run;
training speed the clips/s of a step on 3-s crops, batch 16, on all cores. Networks of more than
--largest parameters are counted and not run.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import latency
import torch
import train_step
from _networks import MACLS_FEAT_DIM, own
from _networks import REFERENCE as CAMPPLUS
from _timing import interleave, report
from torch import nn

from asclf.complexity import complexity_of_backbone, usual_feat_dim
from asclf.edge.network import OnnxNetwork
from asclf.registry import BACKBONES

FRAMES_1_S, FRAMES_5_S = 98, 498


def main(argv: Sequence[str] | None = None) -> int:
    """Counts all, runs those that are not too large, and reports."""
    options = _parse(argv)
    facts = {name: _facts(name) for name in options.models or BACKBONES.names()}
    run = [name for name, row in facts.items() if row["params"] <= options.largest]
    shares = _latency(run, options.rounds)
    training = train_step.measure(run, [CAMPPLUS], rounds=options.rounds)
    rows = []
    for name, row in facts.items():
        found = training.get(name, {})
        measured = {"latency / CAM++": shares.get(name), "clips/s": found.get("clips_per_s")}
        sources = {key: row.pop(key) for key in ("paper", "reference")}
        rows.append({"backbone": name, **row, **measured, **sources})
    report("Backbones with a linear head for 50 classes", rows, options.json)
    return 0


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--models", nargs="*", metavar="NAME", help="(default: all)")
    parser.add_argument("--largest", type=float, default=25e6, help="parameters")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path, default=Path("exp/bench/models.json"))
    return parser.parse_args(argv)


def _facts(name: str) -> dict[str, Any]:
    short, long = (complexity_of_backbone(name, frames) for frames in (FRAMES_1_S, FRAMES_5_S))
    factory = BACKBONES.get(name).factory
    return {
        "bins": usual_feat_dim(name),
        "params": long.parameters,
        "MMACs 1 s": round(short.macs / 1e6),
        "MMACs 5 s": round(long.macs / 1e6),
        "paper": factory.paper,  # type: ignore[attr-defined]
        "reference": getattr(factory, "reference", ""),
    }


def _latency(names: Sequence[str], rounds: int) -> dict[str, float]:
    """Medians as shares of CAM++'s; one network after the other is held beside it."""
    with TemporaryDirectory() as folder:
        modules: dict[str, nn.Module] = {name: own(name) for name in names}
        bins = {name: usual_feat_dim(name) for name in names}
        modules[latency.REFERENCE] = latency.campplus()
        cases = {}
        for name, module in modules.items():
            path = latency.export(module, bins.get(name, MACLS_FEAT_DIM), Path(folder))
            feats = latency.random_feats(path, FRAMES_5_S)
            cases[name] = partial(OnnxNetwork(path).logits, feats)
        seconds = interleave(cases, rounds)
    reference = median(seconds.pop(latency.REFERENCE))
    return {name: median(times) / reference for name, times in seconds.items()}


if __name__ == "__main__":
    torch.manual_seed(0)
    sys.exit(main())
