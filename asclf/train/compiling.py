"""The network as kernels that torch.compile makes of it."""

from __future__ import annotations

import os
import shutil
import sys

from asclf.device import best_device
from asclf.errors import ConfigError
from asclf.model import AudioClassifier


def compile_network(model: AudioClassifier) -> None:
    """Compiles backbone and head, each when it first runs; their weights keep their names.

    Raises:
        ConfigError: There is no C++ compiler, which the kernels of a CPU need.
    """
    if best_device().type == "cpu":
        _check_compiler()
    for part in ("backbone", "head"):
        model.get_submodule(part).compile()


def _check_compiler() -> None:
    command = os.environ.get("CXX", "clang++" if sys.platform == "darwin" else "g++")
    if shutil.which(command) is None:
        raise ConfigError(
            f"`train.compile` needs a C++ compiler, and there is no {command!r}",
            hint="install one (say, g++), name another in the variable CXX, or set "
            "train.compile=false",
        )
