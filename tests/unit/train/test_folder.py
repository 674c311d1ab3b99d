"""What a run's folder takes, refuses and keeps."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from asclf.config import ExperimentConfig
from asclf.config.experiment import bind_experiment
from asclf.config.yaml import parse_yaml
from asclf.data.shards import ShardIndex
from asclf.errors import ConfigError, TrainError
from asclf.train.folder import RunFolder, data_facts

DATA = {"manifest_hash": "ab", "labels": ["a", "b"], "shards": {"fold2-00000.tar": "cd"}}


def config(text: str = "") -> ExperimentConfig:
    return bind_experiment(parse_yaml(f"backbone: {{type: spectromasknet_small}}\n{text}", "x"))


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    return RunFolder(tmp_path / "exp" / "fold1")


@pytest.fixture
def claimed(folder: RunFolder) -> RunFolder:
    folder.claim(config(), DATA, resume=False)
    return folder


def test_check_changes_nothing_and_claim_leaves_configuration_and_data(folder: RunFolder) -> None:
    folder.check(config(), DATA, resume=False)
    assert not folder.path.exists()
    folder.claim(config(), DATA, resume=False)
    assert {path.name for path in folder.path.iterdir()} == {"config.yaml", "data.json"}
    saved = bind_experiment(parse_yaml(folder.config.read_text(), "x"))
    assert saved.as_dict() == config().as_dict()


def test_a_claim_that_was_cut_short_counts_as_none(folder: RunFolder) -> None:
    folder.path.mkdir(parents=True)
    folder.data.write_text("{}")
    (folder.path / ".config.yaml.77.part").write_text("half")
    folder.claim(config("seed: 5"), DATA, resume=False)
    assert {path.name for path in folder.path.iterdir()} == {"config.yaml", "data.json"}
    folder.check(config("seed: 5"), DATA, resume=True)


def test_parts_of_a_killed_run_are_removed(claimed: RunFolder) -> None:
    claimed.epochs.mkdir()
    parts = [claimed.path / ".resume.safetensors.7.part", claimed.epochs / ".epoch_0001.7.part"]
    for part in parts:
        part.write_bytes(b"half")
    claimed.claim(config(), DATA, resume=True)
    assert not any(part.exists() for part in parts)


@pytest.mark.parametrize("name", ["resume.safetensors", "notes.txt", "summary.json"])
def test_a_folder_of_other_files_is_refused(folder: RunFolder, name: str) -> None:
    folder.path.mkdir(parents=True)
    (folder.path / name).touch()
    for resume in (False, True):
        with pytest.raises(TrainError, match=f"holds other files, {name} among them"):
            folder.claim(config(), DATA, resume=resume)
    assert [path.name for path in folder.path.iterdir()] == [name]


def test_an_empty_folder_is_taken_also_with_a_hidden_file(folder: RunFolder) -> None:
    folder.path.mkdir(parents=True)
    (folder.path / ".DS_Store").touch()
    folder.claim(config(), DATA, resume=True)
    assert folder.config.exists()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("seed: 3", "has seed = 0; expected 3, as in"),
        ("train: {epochs: 7}", r"has train\.epochs = 60; expected 7, as in"),
        ("data: {test_fold: 2}", r"has data\.test_fold = None; expected 2"),
        ("loss: {label_smoothing: 0.0}", r"has loss\.label_smoothing = 0\.1; expected 0\.0"),
        ("augmenters: [{type: gain}]", r"has augmenters = \[\]; expected \[\{'type': 'gain'"),
        ("optimizer: {type: sgd}", r"has optimizer\.type = adamw; expected sgd"),
        ("frontend: {type: waveform}", r"has frontend\.type = fbank; expected waveform"),
        ("optimizer: {betas: [0.8, 0.9]}", r"has optimizer\.betas = \(0\.9, 0\.999\); expected"),
    ],
)
def test_another_configuration_is_refused_with_its_first_key(
    claimed: RunFolder, text: str, message: str
) -> None:
    for resume in (False, True):
        with pytest.raises(TrainError, match=message) as caught:
            claimed.check(config(text), DATA, resume=resume)
        assert caught.value.where == str(claimed.config)
        assert "\n" not in str(caught.value)


def test_an_option_of_one_augmenter_is_named_by_its_place(folder: RunFolder) -> None:
    folder.claim(config("augmenters: [{type: gain}, {type: mixup}]"), DATA, resume=False)
    other = config("augmenters: [{type: gain}, {type: mixup, alpha: 0.5}]")
    with pytest.raises(TrainError, match=r"has augmenters\.1\.alpha = 0\.3; expected 0\.5"):
        folder.check(other, DATA, resume=True)


def test_keys_that_decide_nothing_may_differ(claimed: RunFolder) -> None:
    text = "data: {shards: x, num_workers: 7, score_batch_size: 3}\ntrain: {num_threads: 2}"
    claimed.check(config(text), DATA, resume=True)


def test_a_run_goes_on_only_where_that_was_asked_for(claimed: RunFolder) -> None:
    claimed.claim(config(), DATA, resume=True)
    with pytest.raises(TrainError, match="go on with --resume"):
        claimed.claim(config(), DATA, resume=False)


def test_a_configuration_that_was_damaged_is_an_error_with_its_place(claimed: RunFolder) -> None:
    claimed.config.write_text("sed: 3\nbackbone: {type: spectromasknet_small}\n")
    with pytest.raises(ConfigError, match=r"config\.yaml:1:1: unknown key 'sed'"):
        claimed.check(config(), DATA, resume=True)


@pytest.mark.parametrize("key", DATA)
def test_other_data_is_refused(claimed: RunFolder, key: str) -> None:
    with pytest.raises(TrainError, match="this run was trained on other data"):
        claimed.check(config(), {**DATA, key: None}, resume=True)


def test_data_facts_that_are_lost_or_damaged_are_refused(claimed: RunFolder) -> None:
    claimed.data.write_text("{")
    with pytest.raises(TrainError, match=r"data\.json: not JSON: "):
        claimed.check(config(), DATA, resume=True)
    claimed.data.unlink()
    with pytest.raises(TrainError, match="this run was trained on other data"):
        claimed.check(config(), DATA, resume=True)


def test_data_facts_name_manifest_classes_and_the_shards_given(toy_shards: Path) -> None:
    index = ShardIndex.load(toy_shards)
    facts = data_facts(index, index.select([2]))
    assert facts["manifest_hash"] == index.manifest_hash
    assert facts["labels"] == ["high", "low", "mid"]
    assert list(facts["shards"]) == ["fold2-00000.tar", "fold2-00001.tar"]


def _epochs(folder: RunFolder) -> list[tuple[Any, ...]]:
    return [tuple(record.values()) for record in folder.read_metrics()]


def test_metrics_of_an_epoch_replace_those_of_a_run_cut_short(folder: RunFolder) -> None:
    assert folder.read_metrics() == []
    for epoch, loss in ((1, 0.5), (2, 0.4), (3, 0.3), (2, 0.2)):
        folder.append_metrics({"epoch": epoch, "loss": loss})
    assert _epochs(folder) == [(1, 0.5), (2, 0.2)]


def test_damaged_metrics_are_one_line(folder: RunFolder) -> None:
    folder.append_metrics({"epoch": 1})
    folder.metrics.write_text('{"epoch": 1}\n{"epo')
    with pytest.raises(TrainError, match=r"metrics\.jsonl: not JSON: ") as caught:
        folder.append_metrics({"epoch": 2})
    assert "\n" not in str(caught.value)


def test_metrics_are_whole_when_a_write_fails(
    folder: RunFolder, fail_to_write: Callable[[], None]
) -> None:
    folder.append_metrics({"epoch": 1})
    fail_to_write()
    with pytest.raises(OSError, match="disk full"):
        folder.append_metrics({"epoch": 2})
    assert _epochs(folder) == [(1,)]
    assert list(folder.path.iterdir()) == [folder.metrics]


@pytest.fixture
def fail_to_write(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Makes every later write stop half way."""
    write = Path.write_bytes

    def write_half(self: Path, content: bytes) -> int:
        write(self, content[: len(content) // 2])
        raise OSError("disk full")

    return lambda: monkeypatch.setattr(Path, "write_bytes", write_half)
