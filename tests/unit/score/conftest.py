from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from torch import nn

from asclf.checkpoint import Checkpoint, CheckpointMeta
from asclf.config.experiment import bind_experiment
from asclf.config.yaml import parse_yaml
from asclf.data.labels import LabelMap
from asclf.score.report import Report, Setting, build_report
from asclf.score.runs import Run
from asclf.score.scores import Scores, one_hot

ReportMaker = Callable[..., Report]


@pytest.fixture
def make_scored_run(tmp_path: Path) -> Callable[..., Run]:
    """Makes a finished run of a fold; `weights` are the bytes of its final file."""

    def make(fold: int, *, labels: LabelMap, weights: bytes = b"weights", averaged: int = 5) -> Run:
        folder = tmp_path / "exp" / f"fold{fold}"
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / "final.safetensors"
        path.write_bytes(weights)
        text = f"backbone: {{type: ecapa_tdnn}}\ndata: {{test_fold: {fold}, shards: {tmp_path}}}"
        config = bind_experiment(parse_yaml(text, "test.yaml"))
        facts = {"averaged": [f"epoch_{epoch:04d}" for epoch in range(averaged)]}
        meta = CheckpointMeta(config.to_yaml(), labels.names, 60, facts)
        checkpoint = Checkpoint(path, nn.Identity(), config, labels, meta)  # type: ignore[arg-type]
        summary = {"minutes": 1.5 * fold, "epochs": 60, "steps": 900, "clips_skipped": 0}
        return Run(folder, checkpoint, fold, "0" * 64, summary)

    return make


def scores_of(
    confusion: list[list[int]], fold: int, names: tuple[str, ...] | None = None
) -> Scores:
    """Clips of one fold whose logits give exactly this confusion matrix."""
    counts = np.array(confusion)
    pairs = [cell for cell, count in np.ndenumerate(counts) for _ in range(count)]
    targets, predicted = np.array(pairs, dtype=np.int64).reshape(-1, 2).T
    return Scores(
        tuple(f"{fold}-{i}" for i in range(len(pairs))),
        np.full(len(pairs), fold, np.int64),
        one_hot(targets, len(counts)),
        np.eye(len(counts), dtype=np.float32)[predicted],
        LabelMap(names or tuple(f"class_{i}" for i in range(len(counts)))),
    )


@pytest.fixture
def make_scores() -> Callable[..., Scores]:
    return scores_of


@pytest.fixture
def make_report(make_scored_run: Callable[..., Run]) -> ReportMaker:
    """Makes the report of a single fold with a given confusion matrix."""

    def make(
        confusion: list[list[int]] | None = None, *, weights: bytes = b"weights", name: str = "tiny"
    ) -> Report:
        scores = scores_of(confusion or [[3, 1], [0, 4]], fold=1)
        run = make_scored_run(1, labels=scores.labels, weights=weights)
        setting = Setting(
            name=name, folds_known=(1, 2, 3), command="asclf train --config tiny.yaml"
        )
        return build_report(setting, scores, [run])

    return make
