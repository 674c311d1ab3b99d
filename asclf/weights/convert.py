"""From a file of another project to a checkpoint of asclf."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from asclf.checkpoint import CheckpointMeta, load_weights, save_checkpoint
from asclf.config.experiment import ExperimentConfig, bind_experiment
from asclf.config.merge import apply_override
from asclf.config.yaml import dump_yaml, parse_yaml
from asclf.data.labels import LabelMap
from asclf.errors import CheckpointError, DataError
from asclf.files import sha256_of
from asclf.model import build_classifier
from asclf.registry import BACKBONES
from asclf.weights import ast, efficientat, macls
from asclf.weights.reading import read_labels, read_weights
from asclf.weights.source import Source

SOURCES: Mapping[str, Source] = {
    "ast": ast.SOURCE,
    "efficientat": efficientat.SOURCE,
    **macls.SOURCES,
}
"""Family of backbones, which is the module that it is in: where its weights may come from."""
OUTPUT = "head.output.weight"


@dataclass(frozen=True)
class Imported:
    """What came of an import.

    Attributes:
        project: Whose weights they are.
        parameters: Numbers in the classifier, all of them from the file.
        left_out: Tensors of the file that have no part in it.
        labels: The classes.
    """

    project: str
    parameters: int
    left_out: int
    labels: LabelMap


def import_weights(
    file: Path,
    backbone: str,
    out: Path,
    *,
    labels: Path | None = None,
    overrides: Sequence[str] = (),
) -> Imported:
    """Writes the weights of another project as a checkpoint, every one of them or none.

    Args:
        file: A state_dict, as `.pt`, `.pth`, `.bin` or `.safetensors`.
        backbone: The registered name that they belong to.
        out: Checkpoint to write.
        labels: Names of the classes (see `read_labels`); without it they are numbered.
        overrides: `key.path=value`, over the settings that the project's weights have by default.

    Raises:
        CheckpointError: The file cannot be read, or its weights are not those of the backbone.
        ConfigError: An override cannot be used, or there is no such backbone.
        DataError: The names of the classes cannot be read, or are of another number.
    """
    source = find_source(backbone)
    theirs = read_weights(file)
    ours = source.translate(theirs)
    if OUTPUT not in ours:
        raise CheckpointError(
            f"there is no layer that gives logits; the first of its {len(theirs)} weights is "
            f"{next(iter(theirs), None)!r}",
            where=file,
            expected=f"a classifier of {source.project}, for {backbone}",
        )
    names = name_classes(labels, len(ours[OUTPUT]))
    config = make_config(backbone, source, overrides)
    model = build_classifier(config, len(names))
    load_weights(model, shaped_like(model.state_dict(), ours), file)
    origin = {"project": source.project, "file": file.name, "sha256": sha256_of(file)}
    meta = CheckpointMeta(config.to_yaml(), names.names, epoch=0, facts={"imported": origin})
    save_checkpoint(out, model, meta)
    parameters = sum(parameter.numel() for parameter in model.parameters())
    return Imported(source.project, parameters, len(theirs) - len(ours), names)


def find_source(backbone: str) -> Source:
    """Where the weights of a backbone may come from.

    Raises:
        UnknownComponentError: There is no such backbone.
        CheckpointError: No other project's weights are known for it.
    """
    family = BACKBONES.get(backbone).factory.__module__.rpartition(".")[2]
    if family not in SOURCES:
        raise CheckpointError(
            f"no project is known that publishes weights of {backbone!r}",
            expected=f"a backbone of one of the families {', '.join(sorted(SOURCES))}",
        )
    return SOURCES[family]


def make_config(backbone: str, source: Source, overrides: Sequence[str]) -> ExperimentConfig:
    """The configuration that the weights were trained with, as far as predicting needs it."""
    options = {"type": backbone, **source.settings.get("backbone", {})}
    settings: dict[str, Any] = {**source.settings, "backbone": options}
    root = parse_yaml(dump_yaml(settings), f"settings of {source.project}")
    for override in overrides:
        root = apply_override(root, override)
    return bind_experiment(root)


def name_classes(path: Path | None, count: int) -> LabelMap:
    """The names of the classes; numbers where no file has them.

    Raises:
        DataError: There are more or fewer than the weights have outputs, or none can be read.
    """
    if path is None:
        width = len(str(count - 1))
        return LabelMap(tuple(f"class_{i:0{width}d}" for i in range(count)))
    labels = read_labels(path)
    if len(labels) != count:
        raise DataError(
            f"there are {len(labels)} names",
            where=path,
            expected=f"{count}, one for each output of the weights",
        )
    return labels


def shaped_like(like: Mapping[str, Tensor], weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The weights, with dimensions of size 1 added or dropped where `like` has them otherwise.

    A convolution over time may be stored as a matrix, with one kernel dimension, or with two.
    """
    return {
        name: value.reshape(like[name].shape)
        if name in like and _squeezed(value) == _squeezed(like[name])
        else value
        for name, value in weights.items()
    }


def _squeezed(value: Tensor) -> tuple[int, ...]:
    return tuple(size for size in value.shape if size != 1)
