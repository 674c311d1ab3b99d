"""Reads files of other projects; nothing in them is run."""

from __future__ import annotations

import csv
import pickle
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from asclf.data.labels import LabelMap
from asclf.errors import CheckpointError, DataError

EXPECTED = "weights by name, in a .safetensors file or as torch.save writes a state_dict"
NAME_COLUMN = "display_name"
"""Of AudioSet's `class_labels_indices.csv`."""


def read_weights(path: Path) -> dict[str, Tensor]:
    """Reads tensors by name.

    Raises:
        CheckpointError: No such file, or it holds something else than tensors by name.
    """
    try:
        found = _load(path)
    except (OSError, RuntimeError, EOFError, SafetensorError, pickle.UnpicklingError) as error:
        reason = str(error).partition("\n")[0]
        raise CheckpointError(f"cannot be read: {reason}", where=path, expected=EXPECTED) from error
    is_named = isinstance(found, dict) and all(isinstance(name, str) for name in found)
    if not is_named or not all(isinstance(value, Tensor) for value in found.values()):
        raise CheckpointError("this is no set of weights", where=path, expected=EXPECTED)
    return {name: value.detach() for name, value in found.items()}


def _load(path: Path) -> Any:
    if path.suffix == ".safetensors":
        return load_file(path)
    return torch.load(path, map_location="cpu", weights_only=True)


def read_labels(path: Path) -> LabelMap:
    """Reads class names: one a line, or the column `display_name` of a .csv file.

    Raises:
        DataError: They cannot be read, or one occurs twice.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"the names of the classes cannot be read: {error}", where=path) from error
    lines = text.splitlines()
    if path.suffix != ".csv":
        return LabelMap(tuple(line.strip() for line in lines if line.strip()))
    rows = list(csv.DictReader(lines))
    if not rows or rows[0].get(NAME_COLUMN) is None:
        raise DataError(f"there is no column {NAME_COLUMN!r}", where=path)
    return LabelMap(tuple(row[NAME_COLUMN] for row in rows))
