"""The folder of one run: one model, trained with one fold left out.

config.yaml            the resolved configuration
data.json              which data it was trained on: the manifest's hash and the classes
metrics.jsonl          a line an epoch
epochs/epoch_0060.safetensors   weights of the last epochs, those that are averaged
resume.safetensors     everything needed to go on after the last whole epoch
final.safetensors      the averaged weights
summary.json           written last: the run is complete
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from asclf.checkpoint import FINAL
from asclf.config.experiment import ExperimentConfig
from asclf.config.yaml import parse_yaml
from asclf.data.shards import ShardIndex
from asclf.errors import TrainError
from asclf.files import write_whole

FREE_KEYS = ("data.shards", "data.num_workers", "data.score_batch_size", "train.num_threads")
"""Keys that change no weight: a run goes on when they differ."""


class RunFolder:
    """The files of one run.

    Args:
        path: The folder; made by `claim`.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.config = path / "config.yaml"
        self.data = path / "data.json"
        self.metrics = path / "metrics.jsonl"
        self.resume = path / "resume.safetensors"
        self.final = path / FINAL
        self.summary = path / "summary.json"

    def epoch(self, epoch: int) -> Path:
        """The weights after an epoch, counted from 1."""
        return self.path / "epochs" / f"epoch_{epoch:04d}.safetensors"

    def claim(self, config: ExperimentConfig, index: ShardIndex, *, resume: bool) -> None:
        """Takes the folder for a run, or for going on with it.

        Raises:
            TrainError: It holds a run already and `resume` was not asked for, or a run of another
                configuration or other data.
        """
        if self.config.exists():
            self._check_same(config, index)
            if not resume:
                raise TrainError(
                    "there is a run of this configuration here already",
                    where=self.path,
                    hint="go on with --resume, or train into another --exp",
                )
            return
        write_whole(self.data, json.dumps(_facts(index), indent=2) + "\n")
        write_whole(self.config, config.to_yaml())

    def append_metrics(self, record: Mapping[str, Any]) -> None:
        """Adds an epoch's line; lines of that epoch and later, of a run cut short, go first."""
        kept = [line for line in self.read_metrics() if line["epoch"] < record["epoch"]]
        lines = [json.dumps(line) + "\n" for line in [*kept, record]]
        write_whole(self.metrics, "".join(lines))

    def read_metrics(self) -> list[dict[str, Any]]:
        """The lines of all epochs so far."""
        if not self.metrics.exists():
            return []
        return [json.loads(line) for line in self.metrics.read_text("utf-8").splitlines()]

    def keep_epochs_from(self, first: int) -> None:
        """Deletes the weights of epochs before `first`."""
        for path in (self.path / "epochs").glob("epoch_*.safetensors"):
            if int(path.stem.removeprefix("epoch_")) < first:
                path.unlink()

    def _check_same(self, config: ExperimentConfig, index: ShardIndex) -> None:
        saved = parse_yaml(self.config.read_text("utf-8"), str(self.config)).plain()
        was, now = dict(_flat(saved)), dict(_flat(config.as_dict()))
        for key in sorted({*was, *now} - set(FREE_KEYS)):
            if was.get(key) != now.get(key):
                raise TrainError(
                    f"this run has {key} = {was.get(key)}",
                    where=self.config,
                    expected=f"{now.get(key)}, as in the configuration given",
                    hint="train into another --exp, or delete the folder",
                )
        if self.data.exists() and json.loads(self.data.read_text("utf-8")) != _facts(index):
            raise TrainError(
                "this run was trained on other data",
                where=self.data,
                expected=f"the manifest and classes of {index.folder}",
                hint="train into another --exp, or delete the folder",
            )


def _facts(index: ShardIndex) -> dict[str, Any]:
    return {"manifest_hash": index.manifest_hash, "labels": list(index.labels.names)}


def _flat(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, list) and any(isinstance(item, Mapping) for item in value):
        value = {str(i): item for i, item in enumerate(value)}
    if not isinstance(value, Mapping):
        yield path, list(value) if isinstance(value, tuple) else value
        return
    for key, item in value.items():
        yield from _flat(item, f"{path}.{key}" if path else str(key))
