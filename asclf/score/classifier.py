"""A checkpoint that classifies files and samples, with the interface of a bundle."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from asclf.audio.source import read_source
from asclf.bundle.activation import Activation
from asclf.bundle.prediction import Prediction, Source
from asclf.checkpoint import load_checkpoint

Array = NDArray[np.float32]


class CheckpointClassifier:
    """A trained checkpoint, ready to predict.

    Args:
        path: A `.safetensors` file, or a run folder.
    """

    unknown = None
    """A threshold is a matter of bundles."""

    def __init__(self, path: str | Path) -> None:
        self._checkpoint = load_checkpoint(Path(path))

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels, in the order of the logits."""
        return self._checkpoint.labels.names

    @property
    def sample_rate(self) -> int:
        """The sample rate of the model in Hz; other audio is resampled to it."""
        return self._checkpoint.config.sample_rate

    @property
    def activation(self) -> Activation:
        """What makes scores of its logits."""
        return self._checkpoint.activation

    def predict(self, source: Source, sample_rate: int | None = None) -> Prediction:
        """Classifies an audio file, or samples (S,) or (S, channels) in [−1, 1].

        Args:
            source: A file, or floating-point samples.
            sample_rate: Of an array, in Hz; the model's own where it is not given.

        Raises:
            AudioError: The file or the samples cannot be used.
            DataError: The logits are not finite.
        """
        waveform, clip = read_source(source, self.sample_rate, sample_rate)
        logits = self.batch_logits(waveform[np.newaxis])[0]
        return Prediction.from_logits(logits, self.labels, clip, self.activation)

    @torch.inference_mode()
    def embed(self, source: Source, sample_rate: int | None = None) -> Array:
        """The embedding (D,) of an audio file or of samples, taken as `predict` takes them.

        Raises:
            AudioError: The file or the samples cannot be used.
        """
        waveform, _ = read_source(source, self.sample_rate, sample_rate)
        model = self._checkpoint.model
        feats, _ = model.frontend(torch.from_numpy(waveform).unsqueeze(0))  # (1, T, F)
        embedding: Array = model.backbone(feats)[0].numpy()
        return embedding

    @torch.inference_mode()
    def batch_logits(self, waveforms: Array) -> Array:
        """Waveforms (B, S) at the model's sample rate → logits (B, C), in one run."""
        logits: Array = self._checkpoint.model(torch.from_numpy(waveforms)).numpy()
        return logits
