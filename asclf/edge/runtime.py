"""Runs a bundle: file or samples in, scores out, without torch."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from asclf.audio.features import compute_features
from asclf.audio.source import read_source
from asclf.bundle.activation import Activation
from asclf.bundle.folder import GOLDEN, MODEL, verify_bundle
from asclf.bundle.golden import load_golden
from asclf.bundle.prediction import Prediction, Source
from asclf.bundle.unknown import UnknownRule
from asclf.edge.network import Array, OnnxNetwork


class BundleClassifier:
    """A classifier that `asclf export` wrote, on the CPU.

    Args:
        folder: The bundle; its files are compared with its manifest first.
        threads: Threads that the network may use.

    Raises:
        BundleError: A file is missing, has changed, or cannot be loaded.
    """

    def __init__(self, folder: str | Path, threads: int = 1) -> None:
        self.folder = Path(folder)
        self.manifest = verify_bundle(self.folder)
        self.network = OnnxNetwork(self.folder / MODEL, threads)

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels, in the order of the logits."""
        return self.manifest.labels

    @property
    def sample_rate(self) -> int:
        """Sample rate in Hz that the front end works at."""
        return int(self.manifest.frontend["sample_rate"])

    @property
    def activation(self) -> Activation:
        """What makes scores of its logits."""
        return self.manifest.activation

    @property
    def unknown(self) -> UnknownRule | None:
        """When it answers `unknown`, where `asclf calibrate` has chosen that."""
        return self.manifest.unknown

    def predict(self, source: Source, sample_rate: int | None = None) -> Prediction:
        """Classifies an audio file or an array of samples.

        Args:
            source: A file, or floating-point samples (S,) or (S, channels) in [−1, 1].
            sample_rate: Of an array, in Hz; the model's own where it is not given.

        Raises:
            AudioError: The file or the samples cannot be used.
        """
        waveform, clip = read_source(source, self.sample_rate, sample_rate)
        logits = self.logits(waveform)
        return Prediction.from_logits(logits, self.labels, clip, self.activation, self.unknown)

    def embed(self, source: Source, sample_rate: int | None = None) -> Array:
        """The embedding (D,) of an audio file or of samples, taken as `predict` takes them.

        Raises:
            AudioError: The file or the samples cannot be used.
            BundleError: The bundle was exported before there were embeddings.
        """
        waveform, _ = read_source(source, self.sample_rate, sample_rate)
        embedding: Array = self.network.embedding(self.feats(waveform)[np.newaxis])[0]
        return embedding

    def feats(self, waveform: Array) -> Array:
        """Waveform (S,) at the model's sample rate → feats (T, F)."""
        return compute_features(waveform, self.manifest.frontend)

    def logits(self, waveform: Array) -> Array:
        """Waveform (S,) at the model's sample rate → logits (C,)."""
        logits: Array = self.network.logits(self.feats(waveform)[np.newaxis])[0]
        return logits

    def batch_logits(self, waveforms: Array) -> Array:
        """Waveforms (B, S) at the model's sample rate → logits (B, C), in one run."""
        return self.network.logits(np.stack([self.feats(waveform) for waveform in waveforms]))

    def check_golden(self) -> None:
        """Makes sure that feats and logits are here what they were where the model was exported.

        Raises:
            BundleError: They are not.
        """
        for name, golden in load_golden(self.folder / GOLDEN).items():
            logits = self.network.logits(golden.feats[np.newaxis])[0]
            golden.check(self.feats(golden.waveform), logits, f"{self.folder}: clip {name}")
