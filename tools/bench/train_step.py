"""Clips a second of a training step, ours beside the PyPI package `macls`, in one process.

    python tools/bench/train_step.py --models spectromasknet_small ecapa_tdnn --macls CAMPPlus

A step is forward, backward and optimizer on random feats; decoding and features are not in it.
`macls` is only needed here: `pip install --no-deps macls loguru tqdm` beside `asclf[train]`.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import torch
from _timing import interleave, report
from torch import Tensor, nn

from asclf.device import keep_freed_memory
from asclf.registry import BACKBONES, HEADS, LOSSES, OPTIMIZERS

REFERENCE = "CAMPPlus"
FEAT_DIM = 80


def main(argv: Sequence[str] | None = None) -> int:
    """Times every model in turn and reports the clips a second of each."""
    options = _parse(argv)
    torch.set_num_threads(options.threads)
    keep_freed_memory()  # as `asclf train` does; it acts on every row alike
    torch.manual_seed(0)
    models = {name: _own(name, options.classes) for name in options.models}
    try:
        models |= {f"macls {name}": _macls(name, options.classes) for name in options.macls}
    except ImportError as error:
        print(f"macls cannot be imported ({error}): pip install --no-deps macls loguru tqdm")
        return 2
    feats = torch.randn(options.batch_size, options.frames, FEAT_DIM)
    targets = torch.eye(options.classes)[torch.randint(options.classes, (options.batch_size,))]
    seconds = interleave(
        {name: _step(model, feats, targets) for name, model in models.items()}, options.rounds
    )
    rows = _rows(seconds, models, options.batch_size)
    title = (
        f"Training step, clips/s: batch {options.batch_size}, {options.frames} frames × "
        f"{FEAT_DIM} bins, {options.threads} threads, median of {options.rounds} rounds"
    )
    report(title, rows, options.json)
    return 0


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--models", nargs="*", default=["spectromasknet_small"], metavar="NAME")
    parser.add_argument("--macls", nargs="*", default=[REFERENCE], metavar="CLASS")
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--frames", type=int, default=298, help="298 = 3 s at a 10-ms shift")
    parser.add_argument("--classes", type=int, default=50)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--json", type=Path, default=Path("exp/bench/train_step.json"))
    return parser.parse_args(argv)


def _own(name: str, num_classes: int) -> nn.Module:
    backbone = BACKBONES.get(name).build(feat_dim=FEAT_DIM)
    head = HEADS.get("linear").build(embed_dim=backbone.embed_dim, num_classes=num_classes)
    model = nn.Sequential(backbone, head)
    model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return model


def _macls(name: str, num_classes: int) -> nn.Module:
    """A class of `macls.models`, as that package trains it: contiguous (NCHW)."""
    models = importlib.import_module("macls.models")
    model: nn.Module = getattr(models, name)(num_class=num_classes, input_size=FEAT_DIM)
    return model


def _step(model: nn.Module, feats: Tensor, targets: Tensor) -> Callable[[], None]:
    loss = LOSSES.get("cross_entropy").build(num_classes=targets.shape[1])
    optimizer = OPTIMIZERS.get("adam").build(model=model)
    model.train()

    def step() -> None:
        optimizer.zero_grad(set_to_none=True)
        loss(model(feats), targets).backward()
        optimizer.step()

    return step


def _rows(
    seconds: dict[str, list[float]], models: dict[str, nn.Module], batch_size: int
) -> list[dict[str, Any]]:
    reference = seconds.get(f"macls {REFERENCE}")
    return [
        {
            "model": name,
            "params": sum(parameter.numel() for parameter in models[name].parameters()),
            "step_ms": 1000 * median(times),
            "clips_per_s": batch_size / median(times),
            f"x macls {REFERENCE}": median(reference) / median(times) if reference else None,
        }
        for name, times in seconds.items()
    ]


if __name__ == "__main__":
    sys.exit(main())
