"""Does the bundle give what training gave? Measured at every export, at several durations.

Two comparisons, each of torch with what the device runs:

- the network: the same feats through torch and through onnxruntime;
- the whole: waveforms through the training front end (batched torch) and torch's network, against
  `compute_features` (kaldi-native-fbank) and onnxruntime.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from asclf.audio.features import compute_features
from asclf.bundle.golden import noise, sweep
from asclf.bundle.manifest import ParityFacts
from asclf.edge.network import OnnxNetwork
from asclf.errors import BundleError, ExportError

DURATIONS_S = (0.01, 0.5, 1.0, 3.0, 5.0, 10.0)
BATCH_SIZES = (1, 4)
NETWORK_TOLERANCE = 1e-4
"""Absolute and relative: float32 sums in another order."""
WHOLE_TOLERANCE = 1e-2
"""Absolute: the two front ends agree to 1e-3 in nearly every cell, and a network may amplify it."""

Array = NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Parity:
    """Compares a classifier with its exported network.

    Attributes:
        classifier: Waveform (B, S) → logits (B, C), in torch.
        network: Feats (B, T, F) → logits (B, C), in torch: the part that was exported.
        exported: The same part in onnxruntime.
        frontend: The front-end description that the device follows.
        num_frames: Frames that the network fits every clip to, where it does; clips that have just
            these are compared too.
    """

    classifier: nn.Module
    network: nn.Module
    exported: OnnxNetwork
    frontend: Mapping[str, Any]
    num_frames: int | None = None

    @property
    def durations_s(self) -> tuple[float, ...]:
        """Durations of the clips that are compared."""
        if self.num_frames is None:
            return DURATIONS_S
        return tuple(sorted({*DURATIONS_S, shortest_duration_s(self.num_frames, self.frontend)}))

    def check(self) -> ParityFacts:
        """Makes both comparisons at every duration and batch size.

        Raises:
            ExportError: The logits differ by more than the tolerances, or the best label does.
        """
        errors = np.array([self._at_duration(duration_s) for duration_s in self.durations_s])
        network_error, whole_error = errors.max(axis=0)
        return ParityFacts(
            network_max_error=float(network_error),
            network_tolerance=f"{NETWORK_TOLERANCE:g} + {NETWORK_TOLERANCE:g}·|x|",
            whole_max_error=float(whole_error),
            whole_tolerance=f"{WHOLE_TOLERANCE:g}",
            durations_s=self.durations_s,
            batch_sizes=BATCH_SIZES,
        )

    def _at_duration(self, duration_s: float) -> tuple[float, float]:
        """The largest differences of network and whole for clips of one duration."""
        waveforms = parity_waveforms(self.frontend["sample_rate"], duration_s, max(BATCH_SIZES))
        feats = np.stack([compute_features(clip, self.frontend) for clip in waveforms])  # (B, T, F)
        network_error = 0.0
        for size in BATCH_SIZES:
            where = f"network, batch of {size}, clips of {duration_s:g} s"
            exported = self._run_exported(feats[:size], where)
            trained = _run_torch(self.network, feats[:size])
            allowed = NETWORK_TOLERANCE + NETWORK_TOLERANCE * np.abs(trained)
            network_error = max(network_error, _compare(trained, exported, allowed, where))
        where = f"whole, clips of {duration_s:g} s"
        trained = _run_torch(self.classifier, waveforms)  # exported: the last and largest batch
        whole_error = _compare(trained, exported, np.full_like(trained, WHOLE_TOLERANCE), where)
        _compare_best(trained, exported, where)
        return network_error, whole_error

    def _run_exported(self, feats: Array, where: str) -> Array:
        try:
            return self.exported.logits(feats)
        except BundleError as error:
            raise ExportError(
                error.what,
                where=where,
                expected="a network that takes any number of clips and frames",
                hint="a size that is written into the graph comes from a Python number in forward",
            ) from error


def shortest_duration_s(num_frames: int, frontend: Mapping[str, Any]) -> float:
    """Duration of the shortest clip in which a front end finds so many frames."""
    sample_rate: int = frontend["sample_rate"]

    def frames(samples: int) -> int:
        return len(compute_features(np.zeros(samples, np.float32), frontend))

    enough = (2 + num_frames // frames(sample_rate)) * sample_rate
    return bisect_left(range(enough), num_frames, lo=1, key=frames) / sample_rate


def parity_waveforms(sample_rate: int, duration_s: float, clips: int) -> Array:
    """Sweeps in noise (clips, S), each clip with another noise and twice the level of the last."""
    samples = round(duration_s * sample_rate)
    tone = sweep(samples, sample_rate, amplitude=0.03)
    return np.stack([2**i * (tone + noise(samples, i, 0.03)) for i in range(clips)])


@torch.inference_mode()
def _run_torch(module: nn.Module, values: Array) -> Array:
    logits: Array = module(torch.from_numpy(values)).numpy()
    return logits


def _compare(trained: Array, exported: Array, allowed: Array, where: str) -> float:
    """The largest difference of logits (B, C); an error where one is not allowed."""
    if trained.shape != exported.shape:
        raise ExportError(
            f"the exported network gives logits of shape {exported.shape}",
            where=where,
            expected=str(trained.shape),
        )
    difference = np.abs(trained - exported)
    if not (difference <= allowed).all():  # NaN is not within any tolerance
        raise ExportError(
            f"a logit of the exported model is off by {difference.max():.3g}",
            where=where,
            expected=f"at most {allowed.flat[difference.argmax()]:.3g}",
            hint="no bundle was written; does the network draw random numbers, or branch?",
        )
    return float(difference.max())


def _compare_best(trained: Array, exported: Array, where: str) -> None:
    """Makes sure that the best label is the same; labels closer than rounding may change places."""
    best = trained.max(axis=1)
    chosen = np.take_along_axis(trained, exported.argmax(axis=1)[:, None], axis=1)[:, 0]
    if (best - chosen > 2 * NETWORK_TOLERANCE * (1 + np.abs(best))).any():
        raise ExportError(
            "the exported model prefers another label",
            where=where,
            expected="the label that training's front end and network give",
        )
