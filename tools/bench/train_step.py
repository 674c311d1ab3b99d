"""Clips a second of a training step, ours beside the PyPI package `macls`, in one process.

    python tools/bench/train_step.py --models spectromasknet_small ecapa_tdnn --macls CAMPPlus

A step is forward, backward and optimizer on random feats; decoding and features are not in it.
`macls` is only needed here: `pip install --no-deps macls loguru tqdm` beside `asclf[train]`.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import torch
from _networks import MACLS_FEAT_DIM, REFERENCE, of_macls, own
from _timing import interleave, report
from torch import Tensor, nn

from asclf.complexity import usual_feat_dim
from asclf.device import keep_freed_memory
from asclf.registry import LOSSES, OPTIMIZERS


def main(argv: Sequence[str] | None = None) -> int:
    """Times every model in turn and reports the clips a second of each."""
    options = _parse(argv)
    try:
        rows = measure(**{key: value for key, value in vars(options).items() if key != "json"})
    except ImportError as error:
        print(f"macls cannot be imported ({error}): pip install --no-deps macls loguru tqdm")
        return 2
    title = (
        f"Training step, clips/s: batch {options.batch_size}, {options.frames} frames, "
        f"{options.threads} threads, median of {options.rounds} rounds"
    )
    report(title, list(rows.values()), options.json)
    return 0


def measure(
    models: Sequence[str],
    macls: Sequence[str],
    *,
    batch_size: int = 16,
    frames: int = 298,
    classes: int = 50,
    rounds: int = 10,
    threads: int | None = None,
) -> dict[str, dict[str, Any]]:
    """Times every model in turn; one row each, by name.

    Raises:
        ImportError: A class of macls is wanted, and macls is not installed.
    """
    torch.set_num_threads(threads or os.cpu_count() or 1)
    keep_freed_memory()  # as `asclf train` does; it acts on every row alike
    torch.manual_seed(0)
    networks: dict[str, nn.Module] = {name: own(name, classes) for name in models}
    for network in networks.values():
        network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    networks |= {f"macls {name}": of_macls(name, classes) for name in macls}  # as macls trains it
    bins = {name: usual_feat_dim(name) for name in models}
    targets = torch.eye(classes)[torch.randint(classes, (batch_size,))]
    steps = {
        name: _step(
            network, torch.randn(batch_size, frames, bins.get(name, MACLS_FEAT_DIM)), targets
        )
        for name, network in networks.items()
    }
    return _rows(interleave(steps, rounds), networks, batch_size)


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
) -> dict[str, dict[str, Any]]:
    reference = seconds.get(f"macls {REFERENCE}")
    return {
        name: {
            "model": name,
            "params": sum(parameter.numel() for parameter in models[name].parameters()),
            "step_ms": 1000 * median(times),
            "clips_per_s": batch_size / median(times),
            f"x macls {REFERENCE}": median(reference) / median(times) if reference else None,
        }
        for name, times in seconds.items()
    }


if __name__ == "__main__":
    sys.exit(main())
