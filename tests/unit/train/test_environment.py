from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from asclf.cli.main import main
from asclf.errors import TrainError
from asclf.train.environment import (
    Environment,
    add_environment,
    differences,
    read_environments,
    this_environment,
)

Train = Callable[..., Path]


@pytest.fixture
def environment() -> Environment:
    return this_environment(3, {"manifest_hash": "abc"}, command="asclf train")


def test_a_run_keeps_what_it_was_trained_in_for_each_start(
    toy_config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ASCLF_COMMAND", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    command = ["train", "--config", str(toy_config), "--exp", str(tmp_path / "exp")]
    command += ["train.epochs=1", "seed=7", "train.num_threads=2"]
    assert main(command) == 0
    (entry,) = read_environments(tmp_path / "exp" / "fold1" / "environment.json")
    assert (entry.seed, entry.threads, entry.processes) == (7, 2, 1)
    assert set(entry.versions) >= {"python", "torch", "numpy"}
    assert entry.machine.cores == len(os.sched_getaffinity(0))
    assert len(entry.manifest_hash) == 64
    assert entry.command.startswith('asclf train --config "$HOME"/toy.yaml --exp "$HOME"/exp')


def test_entries_add_up_and_come_back(environment: Environment, tmp_path: Path) -> None:
    path, second = tmp_path / "environment.json", replace(environment, threads=9)
    assert read_environments(path) == []
    for each in (environment, second):
        add_environment(path, each)
    assert read_environments(path) == [environment, second]
    path.write_text('[{"threads": 1}]', encoding="utf-8")
    with pytest.raises(TrainError, match="no list of environments"):
        read_environments(path)


def test_only_what_may_change_a_weight_is_a_difference(environment: Environment) -> None:
    assert list(differences(environment, replace(environment, date="x", command="y"))) == []
    versions = {**environment.versions, "torch": "9.9"}
    del versions["soxr"]
    other = replace(environment, threads=64, versions=versions, commit="0123")
    assert list(differences(environment, other)) == [
        f"commit: {environment.commit} then, 0123 now",
        f"torch: {environment.versions['torch']} then, 9.9 now",
        f"soxr: {environment.versions['soxr']} then, unknown now",
        f"threads: {environment.threads} then, 64 now",
    ]
