"""What a run says of itself when it is done, in `summary.json`."""

from __future__ import annotations

from typing import Any

from asclf.config.experiment import ExperimentConfig
from asclf.data.pipeline import TrainStream
from asclf.score.protocol import weights_rule
from asclf.train.averaging import Averaging, best_first
from asclf.train.init import InitReport
from asclf.train.nonfinite import NAMES_SHOWN
from asclf.train.tally import RunTally


def summarise(
    config: ExperimentConfig, stream: TrainStream, tally: RunTally, start: InitReport | None
) -> dict[str, Any]:
    """How long it trained, on what, which epochs were chosen, and what was left out.

    Args:
        config: The experiment, with the fold that is left out.
        stream: What was trained on.
        tally: What added up.
        start: What the model took from the checkpoint that the run started from.
    """
    chosen = Averaging(config.train).chosen(tally)
    return {
        "epochs": tally.epochs,
        "steps": tally.steps,
        "minutes": tally.seconds / 60,
        "clips_seen": tally.clips,
        "clips_per_s": tally.clips / tally.seconds,
        "train_clips": stream.clips,
        "clips_left_out_per_epoch": stream.left_out,
        "clips_skipped": len(tally.skipped),
        "nonfinite_steps": tally.nonfinite,
        "skipped": sorted(tally.skipped)[:NAMES_SHOWN],
        "weights": weights_rule(config, {"averaged": chosen}),
        "averaged_epochs": chosen,
        "validation": _best_validation(tally),
        "protocol": config.data.protocol,
        "train_folds": sorted({s.fold for s in stream.shards if s.fold is not None}),
        "test_fold": config.data.test_fold,
        "seed": config.seed,
        "init": None if start is None else start.as_dict(),
        "commits": tally.commits,
    }


def _best_validation(tally: RunTally) -> dict[str, Any] | None:
    """The epoch that was best on the validation clips, and what it reached."""
    if not tally.validations:
        return None
    best = best_first(tally)[0]
    return {"best_epoch": best, **tally.validations[best - 1]._asdict()}
