"""A run from an address: the weights of a run from the folder, whatever the server does."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from asclf.checkpoint import load_tensors
from asclf.errors import DataError
from asclf.score.experiment import score_experiment

Train = Callable[..., Path]


@pytest.mark.fault
def test_a_run_from_a_faulty_server_is_bit_by_bit_that_from_the_folder(
    train: Train, toy_shards: Path, faulty_server: Any, tmp_path: Path
) -> None:
    faulty_server.folder = toy_shards
    faulty_server.faults = ["", "500", "cut", "corrupt", "", "cut"]  # the index comes first
    address = (f"data.shards={faulty_server.url}", f"data.shard_cache={tmp_path / 'cache'}")
    run = train("web", *address, "data.num_workers=1")
    lines = (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["retries"] for line in lines] == [4, 0, 0, 0]
    expected = load_tensors(train("folder") / "final.safetensors")[0]
    for name, tensor in load_tensors(run / "final.safetensors")[0].items():
        assert torch.equal(tensor, expected[name]), name
    faulty_server.faults = ["", "503", "cut"]
    _, scores = score_experiment(tmp_path / "web", command="x")
    assert len(scores.clip_ids) == 9
    assert faulty_server.faults == []


@pytest.mark.fault
def test_a_run_whose_server_has_gone_says_so(
    train: Train, toy_shards: Path, faulty_server: Any, tmp_path: Path
) -> None:
    faulty_server.folder = toy_shards
    faulty_server.faults, faulty_server.always = [""], "500"
    address = (f"data.shards={faulty_server.url}", f"data.shard_cache={tmp_path / 'cache'}")
    with pytest.raises(DataError, match=r"fold2-0000\d\.tar: 6 attempts failed, .* 500"):
        train("web", *address)
