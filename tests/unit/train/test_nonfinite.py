"""What a step that is not finite leaves behind: nothing."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Callable
from pathlib import Path

import pytest
from torch import Tensor

from asclf.checkpoint import load_tensors
from asclf.model import AudioClassifier

NORMS = "backbone={type: tdnn, channels: 8, embed_dim: 6}"


def test_a_step_that_is_not_finite_does_not_stay_in_the_statistics_of_batch_norm(
    train: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    calls, healthy = itertools.count(1), AudioClassifier.training_feats

    def feats_of(self: AudioClassifier, *given: object) -> tuple[Tensor, Tensor | None]:
        feats, lengths = healthy(self, *given)  # type: ignore[arg-type]
        return feats * math.nan if next(calls) == 5 else feats, lengths

    monkeypatch.setattr(AudioClassifier, "training_feats", feats_of)
    run = train("exp", NORMS)
    assert json.loads((run / "summary.json").read_text())["nonfinite_steps"] == 1
    tensors, _ = load_tensors(run / "final.safetensors")
    statistics = [name for name in tensors if name.endswith("running_var")]
    assert statistics
    assert all(tensors[name].isfinite().all() for name in tensors)
