"""Shows what is installed here: versions, audio decoders, accelerator, and the extras.

For an extra that is absent or broken it says what it would add. Needs no torch.

Examples:
  asclf doctor
"""

from __future__ import annotations

import importlib
import platform
from argparse import ArgumentParser, Namespace
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version

from asclf import __version__
from asclf.cli._extras import core, extras
from asclf.edge.machine import cpu_model, usable_cores

ABSENT, BROKEN = "(absent)", "(broken:"
PURPOSES: Mapping[str, str] = {
    "train": "shard, train, score and list; predict from a checkpoint",
    "deepspeed": "training with DeepSpeed",
    "export": "export to ONNX",
    "plots": "the confusion matrix as a picture",
    "logs": "TensorBoard logs",
    "dev": "the project's own tests and checks",
}
MODULES: Mapping[str, str] = {"pyyaml": "yaml"}
"""Modules that are not called what their package is, `-` for `_` apart."""
IMPORTED = ("train", "export", "plots")
"""Extras whose packages are imported to see if they work; the others are slow to, or programs."""
FORMATS = ("WAV", "FLAC", "OGG", "MP3", "AIFF")


def add_arguments(_: ArgumentParser) -> None:
    """Declares the arguments: there are none."""


def run(_: Namespace) -> int:
    """Runs the verb."""
    print(f"asclf        {__version__}, Python {platform.python_version()}, {platform.platform()}")
    print(f"machine      {cpu_model()}, {usable_cores()} cores")
    print(f"accelerator  {accelerator()}")
    print(f"decoders     {decoders()}")
    print(f"core         {', '.join(state(package) for package in core())}")
    for extra, packages in extras().items():
        print(f"{extra:12} {extra_state(extra, packages)}")
    return 0


def extra_state(extra: str, packages: Sequence[str]) -> str:
    """What an extra has brought here, or what it would add."""
    check = state if extra in IMPORTED else installed
    states = [check(package) for package in packages]
    if all(is_well(text) for text in states):
        return ", ".join(states)
    purpose = PURPOSES.get(extra, "")
    return f"{', '.join(states)}; would add: {purpose} (pip install 'asclf[{extra}]')"


def installed(package: str) -> str:
    """A package with its version, or `absent`."""
    try:
        return f"{package} {version(package)}"
    except PackageNotFoundError:
        return f"{package} {ABSENT}"


def state(package: str) -> str:
    """As `installed`, but a package that does not import is broken, and says why."""
    found = installed(package)
    if not is_well(found):
        return found
    try:
        importlib.import_module(MODULES.get(package, package.replace("-", "_")))
    except Exception as error:  # whatever a broken package raises is what is to be shown
        return f"{found} {BROKEN} {str(error).partition(chr(10))[0]})"
    return found


def is_well(text: str) -> bool:
    """Whether a package's state is neither absent nor broken."""
    return ABSENT not in text and BROKEN not in text


def accelerator() -> str:
    """What the network would run on."""
    try:
        import torch
    except Exception:  # its own line says what is wrong with it
        return "unknown: torch is not usable here"
    return torch.cuda.get_device_name() if torch.cuda.is_available() else "none: the CPU is used"


def decoders() -> str:
    """The formats that libsndfile reads here, of those asclf promises."""
    import soundfile

    has = soundfile.available_formats()
    lacking = [name for name in FORMATS if name not in has]
    codecs = soundfile.available_subtypes("OGG") if "OGG" in has else {}
    lacking += [f"OGG {codec}" for codec in ("VORBIS", "OPUS") if codec not in codecs]
    text = f"libsndfile {soundfile.__libsndfile_version__}: {', '.join(FORMATS)}"
    return f"{text}; lacking: {', '.join(lacking)}" if lacking else text
