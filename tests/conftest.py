"""What all tests share: the folder of real recordings."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder with ESC-50, UrbanSound8K and Speech Commands, named by `ASCLF_DATA`."""
    folder = os.environ.get("ASCLF_DATA")
    if not folder:
        pytest.skip("ASCLF_DATA is not set: no real recordings to test on")
    return Path(folder)


TINY_CONFIG = """
frontend: {type: fbank, num_mel_bins: 40}
backbone:
  type: ecapa_tdnn
  channels: 16
  aggregated_channels: 24
  bottleneck_channels: 8
  embed_dim: 12
data: {test_fold: 1}
"""


@pytest.fixture(scope="session")
def make_run() -> Callable[[Path, str], Path]:
    """Makes a run folder of a configuration, its final weights for three labels random."""
    import torch

    from asclf.checkpoint import FINAL, CheckpointMeta, save_checkpoint
    from asclf.config.experiment import bind_experiment
    from asclf.config.yaml import parse_yaml
    from asclf.model import build_classifier

    def make(run: Path, text: str) -> Path:
        config = bind_experiment(parse_yaml(text, "tiny.yaml"))
        with torch.random.fork_rng():
            torch.manual_seed(0)
            model = build_classifier(config, num_classes=3)
        meta = CheckpointMeta(config.to_yaml(), ("cat", "dog", "rain"), epoch=2)
        save_checkpoint(run / FINAL, model, meta)
        return run

    return make


@pytest.fixture(scope="session")
def tiny_run(
    make_run: Callable[[Path, str], Path], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A run folder of a tiny network that left fold 1 out; not to be changed."""
    return make_run(tmp_path_factory.mktemp("tiny") / "fold1", TINY_CONFIG)


@pytest.fixture(scope="session")
def tiny_bundle(tiny_run: Path) -> Path:
    """The bundle that `tiny_run` is exported to; not to be changed."""
    from asclf.export.onnx import export_bundle

    bundle = tiny_run.parent / "bundle"
    export_bundle(tiny_run, bundle, name="tiny")
    return bundle
