"""How well and how fast each preset fits a training set, and where λ and the masks go meanwhile.

    python tools/bench/fit.py --shards egs/esc50/shards/esc10_16000 --test-fold 1

A network that cannot fit cannot generalise. Every fold but one is trained on, as in any run of the
recipe; the one left out is not opened. Runs lie under --exp and go on where they were cut off.
"accuracy" is that of the training steps, on masked crops; "whole clips" is the trained network's on
the same clips, whole and unmasked.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from _timing import report

from asclf.checkpoint import load_checkpoint
from asclf.data.shard_index import ShardIndex
from asclf.data.splits import train_and_test
from asclf.device import keep_freed_memory
from asclf.score.metrics import predicted_classes
from asclf.score.predict import score_run
from asclf.train.run import train_experiment

PRESETS = ("spectromasknet_tiny", "spectromasknet_small", "spectromasknet")
CONFIG = Path(__file__).parents[2] / "egs" / "esc50" / "conf" / "fit.yaml"
WATCHED = ("loss", "accuracy", "lambda", "mask_ratio", "mask_block_size")


def main(argv: Sequence[str] | None = None) -> int:
    """Trains what is not trained yet, and reports every run's first, middle and last epochs."""
    options = _parse(argv)
    keep_freed_memory()
    rows = [row for preset in options.presets for row in _curve(preset, options)]
    report("Fit of the training clips, by epoch", rows, options.json)
    return 0


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--shards", required=True, type=Path)
    parser.add_argument("--test-fold", type=int, default=1, help="left out, and never opened")
    parser.add_argument("--config", type=Path, default=CONFIG)
    parser.add_argument("--presets", nargs="*", default=list(PRESETS), metavar="NAME")
    parser.add_argument("--exp", type=Path, default=Path("exp/fit"))
    parser.add_argument("--json", type=Path, default=Path("exp/bench/fit.json"))
    parser.add_argument("overrides", nargs="*", metavar="key.path=value")
    return parser.parse_args(argv)


def _curve(preset: str, options: argparse.Namespace) -> Iterator[dict[str, Any]]:
    network = [f"backbone.type={preset}", "backbone.mask.strategy=learnable"]
    (run,) = train_experiment(
        options.config,
        options.exp / preset,
        overrides=[*network, f"data.shards={options.shards}", *options.overrides],
        folds=[options.test_fold],
        resume=True,
    )
    lines = (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    epochs = [json.loads(line) for line in lines]
    for count in _shown(len(epochs)):
        minutes = sum(epoch["seconds"] for epoch in epochs[:count]) / 60
        watched = {key: epochs[count - 1].get(key) for key in WATCHED}
        watched["whole clips"] = _fitted(run, options) if count == len(epochs) else None
        yield {"network": preset, "epoch": count, "minutes": minutes, **watched}


def _fitted(run: Path, options: argparse.Namespace) -> float:
    """Accuracy of the final weights on the clips they were trained on."""
    index = ShardIndex.load(options.shards)
    shards, _ = train_and_test(index, options.test_fold)
    scores = score_run(load_checkpoint(run), index, shards, batch_size=16)
    return float((predicted_classes(scores.logits) == scores.targets).mean())


def _shown(epochs: int) -> list[int]:
    """The first epoch, and the end of each quarter."""
    return sorted({1, *(round(epochs * quarter / 4) for quarter in (1, 2, 3, 4))} - {0})


if __name__ == "__main__":
    sys.exit(main())
