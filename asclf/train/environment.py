"""In what surroundings a run was trained: `environment.json`, an entry for each start of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import torch
from pydantic import TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from asclf.config.component import STRICT
from asclf.errors import TrainError
from asclf.files import write_whole
from asclf.score.provenance import Machine, git_commit, this_machine, versions


@dataclass(frozen=True, kw_only=True, config=STRICT)
class Environment:
    """What a run depends on, beside its configuration."""

    date: str
    """When it was started, in UTC."""
    command: str
    """The command line, where there was one."""
    commit: str | None
    """Of the checkout, with `+changes` where a file differed; `null` for an installed package."""
    versions: dict[str, str]
    """Of Python and the packages that take part."""
    machine: Machine
    threads: int
    """That compute one step."""
    processes: int
    """That train together."""
    seed: int
    manifest_hash: str
    """Of the manifest that the shards were written from."""

    def facts(self) -> dict[str, str]:
        """What may change a weight, by name; the rest says where and when."""
        return {
            "commit": str(self.commit),
            **self.versions,
            "cpu": self.machine.cpu,
            "accelerator": str(self.machine.accelerator),
            "threads": str(self.threads),
            "processes": str(self.processes),
        }


def this_environment(
    seed: int, data: Mapping[str, Any], *, command: str, processes: int = 1
) -> Environment:
    """Describes what a run is about to be trained in.

    Args:
        seed: The experiment's.
        data: What `data_facts` says of its data.
        command: The command line that started it.
        processes: How many train together.
    """
    return Environment(
        date=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        command=command,
        commit=git_commit(),
        versions=versions(),
        machine=this_machine(),
        threads=torch.get_num_threads(),
        processes=processes,
        seed=seed,
        manifest_hash=data["manifest_hash"],
    )


def add_environment(path: Path, environment: Environment) -> None:
    """Adds the entry of a start."""
    write_whole(path, _ENTRIES.dump_json([*read_environments(path), environment], indent=2) + b"\n")


def read_environments(path: Path) -> list[Environment]:
    """The entries of all starts so far, the first one first.

    Raises:
        TrainError: The file is damaged.
    """
    if not path.exists():
        return []
    try:
        return _ENTRIES.validate_json(path.read_bytes())
    except ValidationError as error:
        first = error.errors()[0]["msg"]
        raise TrainError(f"no list of environments: {first}", where=path) from error


def differences(was: Environment, now: Environment) -> Iterator[str]:
    """Tells what is not as it was, in words."""
    before, after = was.facts(), now.facts()
    for name in dict.fromkeys([*before, *after]):
        if before.get(name) != after.get(name):
            yield f"{name}: {before.get(name, 'unknown')} then, {after.get(name, 'unknown')} now"


_ENTRIES = TypeAdapter(list[Environment])
