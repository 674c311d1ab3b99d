"""Checkpoints: weights as safetensors, with the resolved configuration and the labels inside.

One file holds everything needed to rebuild the classifier, nothing is unpickled, and the file is
renamed into place when it is whole.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import pydantic.dataclasses
from pydantic import NonNegativeInt, TypeAdapter, ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from asclf.bundle.activation import Activation
from asclf.config import ExperimentConfig
from asclf.config.component import STRICT
from asclf.config.experiment import bind_experiment
from asclf.config.yaml import parse_yaml
from asclf.data.labels import LabelMap
from asclf.errors import CheckpointError
from asclf.files import whole_file
from asclf.model import AudioClassifier, build_classifier

FINAL = "final.safetensors"
KEY = "asclf"


@pydantic.dataclasses.dataclass(frozen=True, config=STRICT)
class CheckpointMeta:
    """What stands beside the weights.

    Attributes:
        config: The resolved configuration as YAML.
        labels: Class names in the order of the logits.
        epoch: Epochs trained.
        facts: Anything else worth keeping, as plain values (averaged epochs, a run's tally, …).
        format: Version of the file's format.
    """

    config: str
    labels: tuple[str, ...]
    epoch: NonNegativeInt
    facts: dict[str, Any] = field(default_factory=dict)
    format: Literal[1] = 1


@dataclass(frozen=True)
class Checkpoint:
    """A classifier with its weights, in evaluation mode, and what stood beside them."""

    path: Path
    model: AudioClassifier
    config: ExperimentConfig
    labels: LabelMap
    meta: CheckpointMeta

    @property
    def activation(self) -> Activation:
        """What makes scores of the logits; labels that may be heard together have sigmoids."""
        return "sigmoid" if self.config.multi_label else "softmax"


def save_tensors(path: Path, tensors: Mapping[str, Tensor], meta: CheckpointMeta) -> None:
    """Writes tensors and their meta data to one file, whole or not at all.

    Raises:
        CheckpointError: It cannot be written; the file that was there stays.
    """
    plain = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    with whole_file(path) as part:
        try:
            save_file(plain, part, metadata={KEY: _META.dump_json(meta).decode()})
        except SafetensorError as error:
            raise CheckpointError(f"cannot be written: {error}", where=path) from error


def load_tensors(path: Path) -> tuple[dict[str, Tensor], CheckpointMeta]:
    """Reads what `save_tensors` wrote.

    Raises:
        CheckpointError: No such file, not safetensors, cut short, or not written by asclf.
    """
    with _opened(path) as file:
        header = (file.metadata() or {}).get(KEY)
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    return tensors, _parse_meta(header, path)


def load_meta(path: Path) -> CheckpointMeta:
    """Reads what stands beside the weights, and none of these; errors as `load_tensors`."""
    with _opened(path) as file:
        header = (file.metadata() or {}).get(KEY)
    return _parse_meta(header, path)


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    try:
        with safe_open(path, framework="pt") as file:
            yield file
    except (OSError, SafetensorError) as error:
        raise CheckpointError(
            f"cannot be read: {error}", where=path, expected="a checkpoint written by asclf"
        ) from error


def _parse_meta(header: str | None, path: Path) -> CheckpointMeta:
    expected = "a checkpoint written by this version of asclf"
    if header is None:
        what = "these weights have no configuration in them"
        raise CheckpointError(what, where=path, expected=expected)
    try:
        return _META.validate_json(header)
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(map(str, first["loc"])) or "description"
        what = f"its {name} cannot be used: {first['msg']}"
        raise CheckpointError(what, where=path, expected=expected) from error


def save_checkpoint(path: Path, model: AudioClassifier, meta: CheckpointMeta) -> None:
    """Writes a classifier's weights with what is needed to build it again."""
    save_tensors(path, model.state_dict(), meta)


def load_checkpoint(path: Path) -> Checkpoint:
    """Rebuilds a classifier from a checkpoint file, or from a run folder's final weights.

    Raises:
        CheckpointError: Nothing there, broken, or its weights do not fit its configuration.
        ConfigError: Its configuration needs a component that is not installed here.
    """
    path = find_checkpoint(path)
    tensors, meta = load_tensors(path)
    config = bind_experiment(parse_yaml(meta.config, f"{path} (its configuration)"))
    labels = LabelMap(meta.labels)
    model = build_classifier(config, len(labels))
    load_weights(model, tensors, path)
    return Checkpoint(path, model.eval(), config, labels, meta)


def find_checkpoint(path: Path) -> Path:
    """The checkpoint that a path stands for: a file itself, of a run folder its final weights.

    Raises:
        CheckpointError: There is none; names the run folders below that have one.
    """
    if path.is_file():
        return path
    if (path / FINAL).is_file():
        return path / FINAL
    runs = sorted(child.parent.name for child in path.glob(f"*/{FINAL}"))
    raise CheckpointError(
        "there is no checkpoint here",
        where=path,
        expected=f"a .safetensors file, or a folder with {FINAL}",
        hint=f"there are some in: {', '.join(runs)}" if runs else "train first: asclf train",
    )


def load_weights(model: AudioClassifier, tensors: Mapping[str, Tensor], path: Path) -> None:
    """Loads weights into a classifier, every one or none.

    Raises:
        CheckpointError: Tensors are missing, unknown, or of another shape (say, other classes).
    """
    _check_fits(tensors, model.state_dict(), path)
    model.load_state_dict(dict(tensors))


def _check_fits(tensors: Mapping[str, Tensor], like: Mapping[str, Tensor], path: Path) -> None:
    wanted = {name: tuple(tensor.shape) for name, tensor in like.items()}
    found = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
    wrong = sorted(name for name in {*wanted, *found} if wanted.get(name) != found.get(name))
    if wrong:
        name = wrong[0]
        raise CheckpointError(
            f"{len(wrong)} tensors do not fit the model, the first {name!r} {found.get(name)}",
            where=path,
            expected=f"{wanted.get(name)}",
            hint="it belongs to another configuration or another set of classes",
        )


def check_labels(checkpoint: Checkpoint, labels: LabelMap, where: object) -> None:
    """Makes sure that a checkpoint knows the classes of the data it is used on.

    Raises:
        CheckpointError: The class names differ.
    """
    if checkpoint.labels.names != labels.names:
        raise CheckpointError(
            f"it was trained on {_some(checkpoint.labels.names)}",
            where=checkpoint.path,
            expected=f"the classes of {where}: {_some(labels.names)}",
            hint="score it on the data it was trained for, or train on this data",
        )


def _some(names: Sequence[str]) -> str:
    shown = ", ".join(names[:4]) + (", …" if len(names) > 4 else "")
    return f"{len(names)} classes ({shown})"


def average(paths: Sequence[Path]) -> tuple[dict[str, Tensor], CheckpointMeta]:
    """The mean of several checkpoints' weights, computed in float64, with the last one's meta data.

    Integer tensors (batch norm's counters) are taken from the last.

    Raises:
        CheckpointError: One cannot be read, or belongs to another model than the last.
    """
    tensors, meta = load_tensors(paths[-1])
    sums = {name: tensor.double() for name, tensor in tensors.items() if tensor.is_floating_point()}
    for path in paths[:-1]:
        others, _ = load_tensors(path)
        _check_fits(others, tensors, path)
        for name in sums:
            sums[name] += others[name]
    means = {name: (total / len(paths)).to(tensors[name].dtype) for name, total in sums.items()}
    facts = {**meta.facts, "averaged": [path.stem for path in paths]}
    return {**tensors, **means}, replace(meta, facts=facts)


_META = TypeAdapter(CheckpointMeta)
