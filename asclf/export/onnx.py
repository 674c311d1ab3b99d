"""Exports a trained classifier as a bundle: ONNX, its front-end description, labels and checks.

Everything is written to a folder beside the wanted one, checked there, and renamed: a bundle that
does not give what training gave is never left behind.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from asclf import __version__
from asclf.audio.features import DEVICE_TYPES, compute_features
from asclf.bundle.folder import MANIFEST, MODEL, write_bundle
from asclf.bundle.golden import Golden, golden_waveforms, noise
from asclf.bundle.manifest import (
    BundleManifest,
    NetworkFacts,
    TensorInfo,
)
from asclf.checkpoint import Checkpoint, load_checkpoint
from asclf.complexity import Network, complexity_of
from asclf.edge.network import OnnxNetwork
from asclf.edge.runtime import BundleClassifier
from asclf.errors import BundleError, ExportError
from asclf.export.facts import training_facts
from asclf.export.graph import EMBEDDING, INPUT, OUTPUT, write_onnx
from asclf.export.parity import Parity
from asclf.files import whole_folder
from asclf.protocols import FixedBackbone

EXAMPLE_S = 1.5
COUNTED_S = 5.0


def export_bundle(
    run: Path, out: Path, *, name: str | None = None, data_licence: str | None = None
) -> BundleManifest:
    """Exports a checkpoint to `out`, replacing a bundle that is there.

    Args:
        run: A checkpoint file, or a run folder with final weights.
        out: Folder of the bundle.
        name: What to call the model; the backbone's name where it is not given.
        data_licence: Licence of the recordings it was trained on, for its model card.

    Raises:
        CheckpointError: There is no usable checkpoint.
        ExportError: The front end or the network cannot be exported, the exported model gives
            other logits, or `out` is a folder of something else. Nothing is left behind then.
    """
    _check_out(out)
    checkpoint = load_checkpoint(run)
    frontend = device_frontend(checkpoint)
    network = Network(checkpoint.model.backbone, checkpoint.model.head).eval()
    with whole_folder(out) as folder:
        _write_model(checkpoint, network, frontend, folder / MODEL)
        exported = OnnxNetwork(folder / MODEL)
        parity = Parity(
            checkpoint.model, network, exported, frontend, _fixed_frames(checkpoint)
        ).check()
        manifest = BundleManifest(
            name=name or checkpoint.config.backbone.entry.name,
            asclf_version=__version__,
            labels=checkpoint.labels.names,
            frontend=frontend,
            input=_tensor_info(INPUT, "batch", "frames", checkpoint.model.frontend.feat_dim),
            output=_tensor_info(OUTPUT, "batch", len(checkpoint.labels)),
            embedding=_tensor_info(EMBEDDING, "batch", checkpoint.model.backbone.embed_dim),
            activation=checkpoint.activation,
            network=_network_facts(checkpoint, network, frontend),
            training=training_facts(checkpoint, data_licence),
            parity=parity,
            files={},
        )
        manifest = write_bundle(folder, manifest, _goldens(network, frontend))
        BundleClassifier(folder).check_golden()
    return manifest


def _tensor_info(name: str, *shape: str | int) -> TensorInfo:
    return TensorInfo(name=name, shape=shape)


def _check_out(out: Path) -> None:
    """Makes sure that replacing `out` can lose nothing but a bundle."""
    if out.exists() and not (out / MANIFEST).is_file() and not _is_empty_folder(out):
        raise ExportError(
            "it exists and is no bundle",
            where=out,
            expected="a new folder, or one that `asclf export` wrote",
            hint="choose another with --out",
        )


def _is_empty_folder(path: Path) -> bool:
    return path.is_dir() and not any(path.iterdir())


def device_frontend(checkpoint: Checkpoint) -> dict[str, Any]:
    """The front-end description, once it is sure that the device can compute it.

    Raises:
        ExportError: It cannot.
    """
    frontend = checkpoint.model.frontend.describe()
    try:
        _noise_feats(frontend, EXAMPLE_S)
    except BundleError as error:
        raise ExportError(
            f"the front end {frontend.get('type')!r} has no implementation for the device",
            where=checkpoint.path,
            expected=f"one of {', '.join(DEVICE_TYPES)}",
            hint="train with `frontend: {type: fbank}` to export",
        ) from error
    return frontend


def _noise_feats(frontend: Mapping[str, Any], duration_s: float) -> NDArray[np.float32]:
    samples = round(duration_s * frontend["sample_rate"])
    return compute_features(noise(samples, seed=0), frontend)


def _write_model(
    checkpoint: Checkpoint, network: Network, frontend: Mapping[str, Any], path: Path
) -> None:
    feats = torch.from_numpy(_noise_feats(frontend, EXAMPLE_S)).repeat(2, 1, 1)  # (2, T, F)
    metadata = {"frontend": dict(frontend), "labels": checkpoint.labels.names}
    write_onnx(
        _WithEmbedding(network),
        path,
        example=feats,
        metadata=metadata,
        outputs=(OUTPUT, EMBEDDING),
        where=checkpoint.path,
    )


class _WithEmbedding(nn.Module):
    """A network that gives what its head is given beside what its head makes of it."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.network = network

    def forward(self, feats: Tensor) -> tuple[Tensor, Tensor]:
        """Feats (B, T, F) → logits (B, C), embedding (B, D)."""
        embedding = self.network.backbone(feats)
        return self.network.head(embedding), embedding


def _network_facts(
    checkpoint: Checkpoint, network: Network, frontend: Mapping[str, Any]
) -> NetworkFacts:
    cost = complexity_of(network, *_noise_feats(frontend, COUNTED_S).shape)
    return NetworkFacts(
        backbone=checkpoint.config.backbone.entry.name,
        parameters=cost.parameters,
        macs=cost.macs,
        macs_duration_s=COUNTED_S,
        num_frames=_fixed_frames(checkpoint),
    )


def _fixed_frames(checkpoint: Checkpoint) -> int | None:
    """The frames that the backbone fits every clip to, where it does."""
    backbone = checkpoint.model.backbone
    if isinstance(backbone, FixedBackbone) and backbone.lengths_policy == "fixed":
        return backbone.num_frames
    return None


@torch.inference_mode()
def _goldens(network: Network, frontend: Mapping[str, Any]) -> dict[str, Golden]:
    """The golden clips, their feats by the reference front end, and torch's logits of those."""
    goldens = {}
    for name, waveform in golden_waveforms(frontend["sample_rate"]).items():
        feats = compute_features(waveform, frontend)
        logits = network(torch.from_numpy(feats).unsqueeze(0))[0].numpy()  # (C,)
        goldens[name] = Golden(waveform, feats, logits)
    return goldens
