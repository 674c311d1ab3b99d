"""Trains a run once more as it was trained, and compares what came of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from asclf.checkpoint import load_tensors
from asclf.config.experiment import load_experiment
from asclf.device import threads
from asclf.errors import TrainError
from asclf.train.environment import (
    Environment,
    differences,
    read_environments,
    this_environment,
)
from asclf.train.folder import RunFolder
from asclf.train.progress import Progress, Silent
from asclf.train.run import open_index, plan_run, train_experiment
from asclf.train.stop import AskedToStop, never


@dataclass(frozen=True)
class Comparison:
    """The final weights of two runs of one configuration.

    Attributes:
        tensors: How many there are.
        differing: How many are not equal, bit by bit.
        largest: The largest difference of two numbers; 0 where all are equal.
        name: The tensor that has it.
    """

    tensors: int
    differing: int
    largest: float
    name: str

    @property
    def identical(self) -> bool:
        """Whether every bit is equal."""
        return self.differing == 0

    def __str__(self) -> str:
        if self.identical:
            return f"the final weights are bit-identical ({self.tensors} tensors)"
        return (
            f"{self.differing} of {self.tensors} tensors of the final weights differ, "
            f"by at most {self.largest:.3g} ({self.name})"
        )


def complete_runs(path: Path) -> list[RunFolder]:
    """The complete runs that a path names: a run's folder itself, or all below an experiment's.

    Raises:
        TrainError: There is none.
    """
    runs = [RunFolder(folder) for folder in (path, *sorted(path.glob("*")))]
    complete = [run for run in runs if run.config.is_file() and run.summary.is_file()]
    if not complete:
        raise TrainError(
            "there is no complete run here",
            where=path,
            expected="an experiment's folder, or one run's",
            hint="train it to its end first: asclf train --resume",
        )
    return complete


def what_differs(run: RunFolder) -> Iterator[str]:
    """Tells what is not as it was when a run was begun; its number of threads will be the same.

    Raises:
        TrainError: The run does not say what it was trained in.
    """
    was = _trained_in(run)
    with threads(was.threads):
        now = this_environment(was.seed, {"manifest_hash": was.manifest_hash}, command="")
    return differences(was, now)


def again(
    run: RunFolder,
    exp: Path,
    *,
    overrides: Sequence[str] = (),
    resume: bool = False,
    progress: Progress | None = None,
    asked_to_stop: AskedToStop = never,
    command: str = "",
) -> RunFolder:
    """Trains the stored configuration of a run on its data into another experiment's folder.

    Args:
        run: A complete run.
        exp: Where the new run's folder goes.
        overrides: Where files are now; nothing that changes a weight.
        resume: Go on with a new run that was cut off.
        progress: Told of every step and epoch.
        asked_to_stop: Asked before every step whether to leave off there.
        command: The command line, for `environment.json`.

    Raises:
        TrainError: Configuration or data are not those of the run.
        StoppedError: It was asked to stop.
    """
    overrides = [f"train.num_threads={_trained_in(run).threads}", *overrides]
    config = load_experiment(run.config, overrides)
    planned = plan_run(config, open_index(config, run.config), exp, config.data.test_fold)
    run.check(planned.config, planned.data, resume=True)
    (folder,) = train_experiment(
        run.config,
        exp,
        overrides=overrides,
        resume=resume,
        progress=progress or Silent(),
        asked_to_stop=asked_to_stop,
        allow_leakage=True,  # or else the first run would have been refused
        command=command,
    )
    return RunFolder(folder)


def compare(one: RunFolder, other: RunFolder) -> Comparison:
    """Compares the final weights of two runs of one configuration."""
    before, _ = load_tensors(one.final)
    after, _ = load_tensors(other.final)
    gaps = dict(_gaps(before, after))
    name = max(gaps, key=gaps.__getitem__, default="")
    return Comparison(len(before), len(gaps), gaps.get(name, 0.0), name)


def _gaps(before: Mapping[str, Tensor], after: Mapping[str, Tensor]) -> Iterator[tuple[str, float]]:
    """The largest difference in each tensor that is not equal bit by bit."""
    for name, tensor in before.items():
        if not _bits(tensor).equal(_bits(after[name])):
            yield name, (tensor.double() - after[name].double()).abs().max().item()


def _bits(tensor: Tensor) -> Tensor:
    return tensor.contiguous().reshape(-1).view(torch.uint8)  # (bytes,)


def _trained_in(run: RunFolder) -> Environment:
    environments = read_environments(run.environment)
    if not environments:
        raise TrainError(
            "this run does not say what it was trained in",
            where=run.path,
            expected=f"{run.environment.name}, as this version writes it",
        )
    return environments[0]
