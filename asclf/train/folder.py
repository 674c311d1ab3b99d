"""The folder of one run: one model, trained with one fold left out.

config.yaml            the resolved configuration
data.json              which data it was trained on (manifest, classes, shards), from which weights
leakage.json           what its test clips have in common with training, and with pre-training
environment.json       code, versions and machine, for each start of the run
metrics.jsonl          a line an epoch
steps.jsonl            a line a step
tensorboard/           the same, where TensorBoard is installed
train.log              what a run that is one of several jobs says
epochs/epoch_0060.safetensors   weights of the epochs that are, or may still be, averaged
resume.safetensors     everything needed to go on after the last whole epoch
final.safetensors      the averaged weights
summary.json           written last: the run is complete
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from asclf.checkpoint import FINAL
from asclf.config.experiment import ExperimentConfig, bind_experiment
from asclf.config.yaml import read_yaml
from asclf.data.shard_index import ShardIndex, ShardInfo
from asclf.errors import TrainError
from asclf.files import remove_parts, write_whole

ELSEWHERE = "train into another --exp, or delete the folder"


class RunFolder:
    """The files of one run.

    Args:
        path: The folder; made by `claim`.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.config = path / "config.yaml"
        self.data = path / "data.json"
        self.environment = path / "environment.json"
        self.leakage = path / "leakage.json"
        self.metrics = path / "metrics.jsonl"
        self.steps = path / "steps.jsonl"
        self.tensorboard = path / "tensorboard"
        self.log = path / "train.log"
        self.epochs = path / "epochs"
        self.resume = path / "resume.safetensors"
        self.final = path / FINAL
        self.summary = path / "summary.json"

    def epoch(self, epoch: int) -> Path:
        """The weights after an epoch, counted from 1."""
        return self.epochs / f"epoch_{epoch:04d}.safetensors"

    def keep_epochs(self, epochs: Collection[int]) -> None:
        """Deletes the weights after all other epochs."""
        kept = {self.epoch(epoch) for epoch in epochs}
        for path in self.epochs.glob("epoch_*.safetensors"):
            if path not in kept:
                path.unlink()

    def check(self, config: ExperimentConfig, data: Mapping[str, Any], *, resume: bool) -> None:
        """Makes sure that a run may use this folder; changes nothing.

        Args:
            config: The run's configuration.
            data: What `data_facts` says of its data.
            resume: Whether it may go on with what is there.

        Raises:
            TrainError: The folder holds a run already and `resume` was not asked for, a run of
                another configuration or other data, or something else.
        """
        if not self.config.exists():
            self._check_empty()
            return
        self._check_config(config)
        self._check_data(data)
        if not resume:
            raise TrainError(
                "there is a run of this configuration here already",
                where=self.path,
                hint="go on with --resume, or train into another --exp",
            )

    def claim(self, config: ExperimentConfig, data: Mapping[str, Any], *, resume: bool) -> None:
        """Takes the folder for a run, or for going on with it; arguments and errors as `check`."""
        self.check(config, data, resume=resume)
        for folder in (self.path, self.epochs):
            remove_parts(folder)
        if not self.config.exists():
            write_whole(self.data, json.dumps(data, indent=2) + "\n")
            write_whole(self.config, config.to_yaml())  # last: where it stands, there is a run

    def append_metrics(self, record: Mapping[str, Any]) -> None:
        """Adds an epoch's line; lines of that epoch and later, of a run cut short, go first."""
        kept = [line for line in self.read_metrics() if line["epoch"] < record["epoch"]]
        lines = [json.dumps(line) + "\n" for line in [*kept, record]]
        write_whole(self.metrics, "".join(lines))

    def read_metrics(self) -> list[dict[str, Any]]:
        """The lines of all epochs so far.

        Raises:
            TrainError: They are damaged.
        """
        if not self.metrics.exists():
            return []
        return [_parse(line, self.metrics) for line in self.metrics.read_bytes().splitlines()]

    def _check_empty(self) -> None:
        """A run that was cut short in `claim` leaves its data.json alone, and maybe its log."""
        own = {self.data.name, self.log.name}
        names = {path.name for path in self.path.glob("[!.]*")} - own
        if names:
            raise TrainError(
                f"the folder holds other files, {min(names)} among them",
                where=self.path,
                expected="a new folder, or one with a run's config.yaml",
                hint=ELSEWHERE,
            )

    def _check_config(self, config: ExperimentConfig) -> None:
        saved = bind_experiment(read_yaml(self.config))
        was, now = saved.canonical().as_dict(), config.canonical().as_dict()
        for key, before, after in _differences(was, now):
            raise TrainError(
                f"this run has {key} = {before}",
                where=self.config,
                expected=f"{after}, as in the configuration given",
                hint=ELSEWHERE,
            )

    def _check_data(self, data: Mapping[str, Any]) -> None:
        if not self.data.exists() or _parse(self.data.read_bytes(), self.data) != data:
            raise TrainError(
                "this run was trained on other data, or from other weights",
                where=self.data,
                expected="the shards and the checkpoint that the configuration names",
                hint=ELSEWHERE,
            )


def data_facts(
    index: ShardIndex, train: Sequence[ShardInfo], validation: Sequence[ShardInfo] = ()
) -> dict[str, Any]:
    """Tells the data of a run: the manifest, the classes, what it trains and validates on."""
    facts = {
        "manifest_hash": index.manifest_hash,
        "labels": list(index.labels.names),
        "shards": {shard.name: shard.sha256 for shard in train},
    }
    if validation:
        facts["validation_shards"] = {shard.name: shard.sha256 for shard in validation}
    return facts


def _parse(text: bytes, path: Path) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise TrainError(f"not JSON: {error}", where=path, hint=ELSEWHERE) from error


def _differences(was: Any, now: Any, path: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Key path and both values wherever two trees differ, as near the leaves as both go."""
    if isinstance(was, list) and isinstance(now, list) and len(was) == len(now):
        was, now = dict(enumerate(was)), dict(enumerate(now))
    if not isinstance(was, Mapping) or not isinstance(now, Mapping):
        if was != now:
            yield path, was, now
        return
    for key in dict.fromkeys([*now, *was]):
        below = f"{path}.{key}" if path else str(key)
        yield from _differences(was.get(key), now.get(key), below)
