"""Several folds by one `asclf train`, one after another and at once."""

from __future__ import annotations

import shutil
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import pytest

from asclf.cli.main import main
from asclf.data.manifest import read_manifest, write_manifest
from asclf.data.shards import ShardIndex, write_shards
from asclf.edge.machine import usable_cores
from asclf.train.peers import Peers

Capture = pytest.CaptureFixture[str]

TRAINABLE = """
frontend: {type: fbank, num_mel_bins: 20}
backbone:
  {type: ecapa_tdnn, channels: 8, aggregated_channels: 8, bottleneck_channels: 4, embed_dim: 4}
data: {batch_size: 3, num_workers: 0, crop_s: 0.2}
train: {epochs: 1, average_last: 1, tensorboard: false}
"""


@pytest.fixture
def command(tmp_path: Path) -> list[str]:
    config = tmp_path / "tiny.yaml"
    config.write_text(TRAINABLE, encoding="utf-8")
    return ["train", "--config", str(config), "--exp", str(tmp_path / "exp")]


def test_all_folds_are_those_of_the_shards(
    command: list[str], tiny_shards: Path, tmp_path: Path, capsys: Capture
) -> None:
    assert main([*command, "--folds", "all", f"data.shards={tiny_shards}"]) == 0
    exp = tmp_path / "exp"
    assert capsys.readouterr().out == f"trained: {exp}/fold1\ntrained: {exp}/fold2\n"


def test_shards_without_folds_have_not_all_folds(
    command: list[str], tiny_shards: Path, tmp_path: Path, capsys: Capture
) -> None:
    clips = read_manifest(tiny_shards.parent / "manifest.jsonl")[:6]
    write_manifest(tmp_path / "m.jsonl", [replace(clip, fold=None) for clip in clips])
    write_shards(tmp_path / "m.jsonl", tmp_path / "shards", sample_rate=16_000)
    shards = f"data.shards={tmp_path / 'shards'}"
    assert main([*command, "--folds=all", shards]) == 2
    assert "these shards have no folds; expected" in capsys.readouterr().err
    assert main([*command, "--jobs=2", shards]) == 0
    assert capsys.readouterr().out == f"trained: {tmp_path}/exp/all\n"


def test_folds_side_by_side_are_not_shared_by_processes(
    command: list[str], tiny_shards: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    two = Peers()
    two.world_size = 2
    monkeypatch.setattr("asclf.train.peers.join_peers", lambda: nullcontext(two))
    assert main([*command, "--jobs=2", "--folds=all", f"data.shards={tiny_shards}"]) == 2
    assert "--jobs 2 in 2 processes that train one fold together" in capsys.readouterr().err


@pytest.mark.fault
def test_a_fold_that_fails_is_named_and_the_others_are_trained(
    command: list[str], tiny_shards: Path, tmp_path: Path, capsys: Capture
) -> None:
    shards = shutil.copytree(tiny_shards, tmp_path / "shards")
    index = ShardIndex.load(shards)
    broken = index.path(index.select([2])[0])
    broken.write_bytes(broken.read_bytes()[:-600])
    command += ["--jobs", "2", "--folds", "all", f"data.shards={shards}"]
    assert main(command) == 2
    exp, shown = tmp_path / "exp", capsys.readouterr()
    assert shown.out == f"trained: {exp}/fold2\n"
    assert f"fold1 failed (status 2); the end of {exp}/fold1/train.log:\n    " in shown.err
    assert f"    {broken}: the shard has" in shown.err
    shutil.copy(tiny_shards / broken.name, broken)
    assert main([*command, "--resume"]) == 0
    assert sorted(capsys.readouterr().out.split()) == sorted(
        ["trained:", f"{exp}/fold1", "trained:", f"{exp}/fold2"]
    )
    threads = max(1, usable_cores() // 2)
    for fold in (1, 2):
        assert f"num_threads: {threads}\n" in (exp / f"fold{fold}" / "config.yaml").read_text()
