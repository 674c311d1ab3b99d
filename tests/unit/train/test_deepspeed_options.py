from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from asclf.config.experiment import bind_experiment
from asclf.config.yaml import parse_yaml
from asclf.errors import ConfigError
from asclf.protocols import Batch
from asclf.train.deepspeed_options import DeepSpeedOptions, deepspeed_options
from asclf.train.engine import split_into

ROOT = Path(__file__).parents[3]


def options(named: object, **train: object) -> DeepSpeedOptions:
    values = {"engine": "deepspeed", "deepspeed": named, **train}
    text = json.dumps({"backbone": {"type": "ecapa_tdnn"}, "train": values})
    return deepspeed_options(bind_experiment(parse_yaml(text, "x.yaml")), world_size=2)


def test_a_stage_alone_is_enough() -> None:
    found = options(2, grad_clip=3.0).as_dict()
    assert found["zero_optimization"]["stage"] == 2
    assert found["train_micro_batch_size_per_gpu"] == 8  # of 16, for two processes
    assert found["gradient_clipping"] == 3.0


def test_every_rank_takes_a_fixed_number_of_parts() -> None:
    found = options(1, micro_batch=3).as_dict()
    assert found["train_micro_batch_size_per_gpu"] == 3
    assert found["gradient_accumulation_steps"] == 3
    assert options(1, micro_batch=100).parts == 1


@pytest.mark.parametrize("clips", [8, 7, 3, 2, 1])
def test_a_batch_with_clips_missing_still_makes_as_many_parts(clips: int) -> None:
    names = tuple("abcdefgh"[:clips])
    batch = Batch(torch.randn(clips, 5), None, torch.randn(clips, 2), names)
    parts = split_into(batch, 3)
    assert len(parts) == 3
    assert all(part.clip_ids for part, _ in parts)
    counted = [name for part, weight in parts for name in part.clip_ids[:weight]]
    assert tuple(counted) == names
    assert max(weight for _, weight in parts) <= 3


def test_files_that_are_offered_name_their_stage() -> None:
    files = sorted((ROOT / "conf" / "deepspeed").glob("*.json"))
    assert len(files) >= 5
    for file in files:
        assert options(str(file)).stage == int(file.stem[4])
        assert options(str(file)).recomputes is file.stem.endswith("recompute")


def test_a_file_may_set_all_but_what_the_experiment_decides(tmp_path: Path) -> None:
    file = tmp_path / "mine.json"
    file.write_text('{"zero_optimization": {"stage": 1, "reduce_bucket_size": 7}}')
    assert options(str(file)).as_dict()["zero_optimization"]["reduce_bucket_size"] == 7
    file.write_text('{"fp16": {"enabled": true}}')
    with pytest.raises(ConfigError, match=r"sets 'fp16'; set `train.precision` instead"):
        options(str(file))


@pytest.mark.parametrize("text", [None, "{", "[1]"])
def test_what_holds_no_options_is_refused(tmp_path: Path, text: str | None) -> None:
    file = tmp_path / "mine.json"
    if text is not None:
        file.write_text(text)
    with pytest.raises(ConfigError, match="expected 0, 1, 2, 3, or a JSON file"):
        options(str(file))
