"""The manifest of a bundle, `bundle.json`, as types: whatever a device needs to know of a model."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import pydantic
from pydantic.dataclasses import dataclass

from asclf.bundle.activation import Activation
from asclf.bundle.unknown import UnknownRule
from asclf.config.component import STRICT
from asclf.errors import BundleError

FORMAT_VERSION = 1


@dataclass(frozen=True, kw_only=True, config=STRICT)
class TensorInfo:
    """An input or output of the network; an axis without a fixed size has a name."""

    name: str
    shape: tuple[str | int, ...]


@dataclass(frozen=True, kw_only=True, config=STRICT)
class NetworkFacts:
    """The network that `model.onnx` holds."""

    backbone: str
    """Its registered name."""
    parameters: int
    """Of backbone and head."""
    macs: int
    """Multiply-accumulates of backbone and head for a clip of `macs_duration_s`."""
    macs_duration_s: float
    num_frames: int | None = None
    """Frames that it hears of every clip, the middle of a longer one, a shorter one repeated;
    `null`: all there are."""


@dataclass(frozen=True, kw_only=True, config=STRICT)
class TrainingFacts:
    """Where the weights come from."""

    config_sha256: str
    """Of the resolved configuration's YAML text."""
    epochs: int
    test_fold: int | None
    """The fold that was left out of training; `null`: none was."""
    score: str | None = None
    """The line of the report that belongs to these weights."""
    data_licence: str | None = None
    """Licence of the recordings it was trained on."""


@dataclass(frozen=True, kw_only=True, config=STRICT)
class ParityFacts:
    """How far the bundle's logits are from those of training, measured when it was exported."""

    network_max_error: float
    """Largest difference on the same feats."""
    network_tolerance: str
    whole_max_error: float
    """Largest difference from the waveform on: torch front end against the device's."""
    whole_tolerance: str
    durations_s: tuple[float, ...]
    batch_sizes: tuple[int, ...]


@dataclass(frozen=True, kw_only=True, config=STRICT)
class FileInfo:
    """What a file of the bundle must be, to the byte."""

    bytes: int
    sha256: str


@dataclass(frozen=True, kw_only=True, config=STRICT)
class BundleManifest:
    """Everything in `bundle.json`.

    Attributes:
        format_version: Raised when a reader of the last version could go wrong.
        name: Name of the model.
        asclf_version: Version of asclf that exported it.
        labels: In the order of the logits.
        frontend: Description of the front end, as `asclf.audio.features.compute_features` takes it.
        input: Feats; output: logits.
        embedding: The second output, what the head is given; `null` in a bundle that has none.
        activation: What makes scores of logits; `sigmoid` where labels may be heard together.
        unknown: When the answer is `unknown`; `null` where that has not been calibrated.
        network: Size and cost.
        training: Where the weights come from.
        parity: What the export measured.
        files: The files beside the manifest that must not change.
    """

    format_version: int = FORMAT_VERSION
    name: str
    asclf_version: str
    labels: tuple[str, ...]
    frontend: dict[str, Any]
    input: TensorInfo
    output: TensorInfo
    embedding: TensorInfo | None = None
    activation: Activation = "softmax"
    unknown: UnknownRule | None = None
    network: NetworkFacts
    training: TrainingFacts
    parity: ParityFacts
    files: dict[str, FileInfo]

    def to_json(self) -> str:
        """The text of `bundle.json`."""
        return json.dumps(asdict(self), indent=2, ensure_ascii=False) + "\n"


def parse_manifest(text: str, where: object) -> BundleManifest:
    """Reads the text of a `bundle.json`.

    Raises:
        BundleError: Not JSON, another format version, or not what that version holds.
    """
    try:
        values = json.loads(text)
    except json.JSONDecodeError as error:
        raise BundleError(f"this is not JSON: {error}", where=where) from error
    _check_version(values, where)
    try:
        manifest = pydantic.TypeAdapter(BundleManifest).validate_json(text)
    except pydantic.ValidationError as error:
        first = error.errors()[0]
        key = ".".join(map(str, first["loc"]))
        raise BundleError(
            f"`{key}`: {first['msg']}", where=where, hint="export it again"
        ) from error
    _check_classes(manifest, where)
    return manifest


def _check_version(values: object, where: object) -> None:
    version = values.get("format_version") if isinstance(values, Mapping) else None
    if version != FORMAT_VERSION:
        raise BundleError(
            f"its format_version is {version!r}",
            where=where,
            expected=str(FORMAT_VERSION),
            hint="export it again, or use the version of asclf that wrote it",
        )


def _check_classes(manifest: BundleManifest, where: object) -> None:
    if manifest.output.shape[-1] != len(set(manifest.labels)):
        raise BundleError(
            f"it names {len(set(manifest.labels))} labels",
            where=where,
            expected=f"one for each of the network's {manifest.output.shape[-1]} logits",
            hint="export it again",
        )
