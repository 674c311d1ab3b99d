"""Where a number comes from: the code, the machine and the versions it was computed with."""

from __future__ import annotations

import platform
import re
import shlex
import subprocess
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path

import torch
from pydantic.dataclasses import dataclass

import asclf
from asclf.config.component import STRICT
from asclf.edge.machine import cpu_model, usable_cores

PACKAGES = ("torch", "torchaudio", "numpy", "kaldi-native-fbank", "soundfile", "soxr")
FOLDER_VARIABLES = ("ASCLF_DATA", "PWD", "HOME")


@dataclass(frozen=True, config=STRICT)
class Machine:
    """The machine that scored; nothing in it names a person or a host."""

    cpu: str
    cores: int
    accelerator: str | None

    def __str__(self) -> str:
        return ", ".join(filter(None, [self.accelerator, f"{self.cpu}, {self.cores} cores"]))


def this_machine() -> Machine:
    """Describes the machine this runs on."""
    accelerator = torch.cuda.get_device_name() if torch.cuda.is_available() else None
    return Machine(cpu_model(), usable_cores(), accelerator)


def versions() -> dict[str, str]:
    """The versions of what decides a score: Python, asclf, and the packages it computes with."""
    found = {package: version(package) for package in PACKAGES}
    return {"python": platform.python_version(), "asclf": asclf.__version__, **found}


def git_commit() -> str | None:
    """The commit of the checkout this package runs from, with `+changes` where files differ.

    `None` where the package is installed and no checkout. Stored results are left out of the
    comparison: recording one would otherwise mark the next as changed.
    """
    package = Path(asclf.__file__).parent
    if _git(package, "ls-files", "--error-unmatch", "__init__.py") is None:
        return None
    commit = _git(package, "rev-parse", "--short=12", "HEAD")
    written = ("results", "RESULTS.md", "EXPERIMENTS.md")
    without_results = (":/", *(f":(exclude,top)egs/*/{name}" for name in written))
    changes = _git(package, "status", "--porcelain", "--untracked-files=no", "--", *without_results)
    return f"{commit}+changes" if commit and changes else commit


def _git(folder: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *arguments], capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip()


def portable_command(arguments: Sequence[str], environment: Mapping[str, str]) -> str:
    """A command line that can be repeated elsewhere: this machine's folders stand as variables.

    `/data/ESC-50` becomes `"$ASCLF_DATA"/ESC-50` where that variable holds `/data`; so do `$PWD`
    and `$HOME`.
    """
    variables = [(name, environment.get(name, "").rstrip("/")) for name in FOLDER_VARIABLES]
    folders = {folder: name for name, folder in reversed(variables) if folder}
    return " ".join(_portable(argument, folders) for argument in arguments)


def _portable(argument: str, folders: Mapping[str, str]) -> str:
    longest_first = sorted(folders, key=len, reverse=True)
    pattern = "|".join(rf"(?<![\w./-]){re.escape(folder)}(?=/|$)" for folder in longest_first)
    found = re.search(pattern, argument) if pattern else None
    if found is None:
        return shlex.quote(argument)
    before, after = argument[: found.start()], argument[found.end() :]
    ends = [shlex.quote(end) if end else "" for end in (before, after)]
    return f'{ends[0]}"${folders[found[0]]}"{ends[1]}'
