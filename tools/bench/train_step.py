"""Clips a second of a training step, ours beside the PyPI package `macls`, in one process.

    python tools/bench/train_step.py --models spectromasknet_small --macls CAMPPlus
    python tools/bench/train_step.py --models campplus ecapa_tdnn --same --precisions float32 bf16

A step is forward, backward and optimizer on random feats; decoding and features are not in it.
Ours are measured in each precision that `train.precision` offers; macls' in float32, since its
mixed precision is of GPUs alone.
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
from _networks import MACLS_FEAT_DIM, REFERENCE, SAME_IN_MACLS, of_macls, own
from _timing import interleave, report
from torch import Tensor, nn

from asclf.complexity import usual_feat_dim
from asclf.device import keep_freed_memory
from asclf.registry import LOSSES, OPTIMIZERS
from asclf.train.trainee import DTYPES, Precision


def main(argv: Sequence[str] | None = None) -> int:
    """Times every model in turn and reports the clips a second of each."""
    options = _parse(argv)
    macls = list(options.macls)
    if options.same:
        macls += [SAME_IN_MACLS[name] for name in options.models if name in SAME_IN_MACLS]
    try:
        rows = measure(
            options.models,
            list(dict.fromkeys(macls)),
            precisions=options.precisions,
            batch_size=options.batch_size,
            frames=options.frames,
            classes=options.classes,
            rounds=options.rounds,
            threads=options.threads,
        )
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
    precisions: Sequence[Precision] = ("float32",),
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
    targets = torch.eye(classes)[torch.randint(classes, (batch_size,))]
    networks: dict[str, nn.Module] = {}
    steps: dict[str, Callable[[], None]] = {}
    for name in models:
        feats = torch.randn(batch_size, frames, usual_feat_dim(name))
        for precision in precisions:
            row = _row_name(name, precision)
            networks[row] = own(name, classes).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
            steps[row] = _step(networks[row], feats, targets, precision)
    for name in macls:  # as macls trains it
        networks[f"macls {name}"] = of_macls(name, classes)
        feats = torch.randn(batch_size, frames, MACLS_FEAT_DIM)
        steps[f"macls {name}"] = _step(networks[f"macls {name}"], feats, targets, "float32")
    return _rows(interleave(steps, rounds), networks, batch_size)


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--models", nargs="*", default=["spectromasknet_small"], metavar="NAME")
    parser.add_argument("--macls", nargs="*", default=[REFERENCE], metavar="CLASS")
    parser.add_argument("--same", action="store_true", help="the same networks of macls as well")
    parser.add_argument(
        "--precisions", nargs="+", default=["float32"], choices=[*DTYPES], metavar="NAME"
    )
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--frames", type=int, default=298, help="298 = 3 s at a 10-ms shift")
    parser.add_argument("--classes", type=int, default=50)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--json", type=Path, default=Path("exp/bench/train_step.json"))
    return parser.parse_args(argv)


def _row_name(model: str, precision: Precision) -> str:
    return model if precision == "float32" else f"{model}, {precision}"


def _step(
    model: nn.Module, feats: Tensor, targets: Tensor, precision: Precision
) -> Callable[[], None]:
    loss = LOSSES.get("cross_entropy").build(num_classes=targets.shape[1])
    optimizer = OPTIMIZERS.get("adam").build(model=model)
    model.train()

    def step() -> None:
        optimizer.zero_grad(set_to_none=True)
        with torch.autocast("cpu", DTYPES[precision], enabled=precision != "float32"):
            logits = model(feats)
        loss(logits.float(), targets).backward()
        optimizer.step()

    return step


def _rows(
    seconds: dict[str, list[float]], models: dict[str, nn.Module], batch_size: int
) -> dict[str, dict[str, Any]]:
    return {
        name: {
            "model": name,
            "params": sum(parameter.numel() for parameter in models[name].parameters()),
            "step_ms": 1000 * median(times),
            "clips_per_s": batch_size / median(times),
            "x macls' own": _gain(seconds, name, SAME_IN_MACLS.get(name.partition(",")[0])),
            f"x macls {REFERENCE}": _gain(seconds, name, REFERENCE),
        }
        for name, times in seconds.items()
    }


def _gain(seconds: dict[str, list[float]], name: str, reference: str | None) -> float | None:
    """How many times as fast as a class of macls, where that was measured."""
    of_reference = seconds.get(f"macls {reference}")
    return median(of_reference) / median(seconds[name]) if of_reference else None


if __name__ == "__main__":
    sys.exit(main())
