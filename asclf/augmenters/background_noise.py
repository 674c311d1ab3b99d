"""Recorded noise at a random signal-to-noise ratio."""

from __future__ import annotations

from pathlib import Path

from torch import Generator, Tensor
from torch.linalg import vector_norm

from asclf.augmenters._draw import Probability, Range, happens, uniform
from asclf.augmenters._recordings import Recordings
from asclf.config import component_config
from asclf.errors import ConfigError
from asclf.registry import AUGMENTERS

SILENCE = 1e-9  # noise whose norm is below it is not made louder


@component_config
class BackgroundNoiseConfig:
    """Options of `background_noise`."""

    folder: str | None = None
    """Folder of recordings, or of shards without folds; must be given."""
    prob: Probability = 0.5
    """Probability that a clip is changed."""
    snr_db: Range = (0.0, 20.0)
    """Bounds of the signal-to-noise ratio, drawn uniformly."""


@AUGMENTERS.register("background_noise", BackgroundNoiseConfig)
class BackgroundNoise:
    """Adds a stretch of a recording: a random place of a long one, a short one over and over.

    No recording may be one that is scored, or a part of it. The ratio refers to the power of the
    whole clip and of the whole stretch, so that digital silence stays silent and adds nothing.
    The sum may pass ±1 and is not clipped, as with `gaussian_noise`.
    """

    def __init__(self, config: BackgroundNoiseConfig, *, sample_rate: int) -> None:
        if config.folder is None:
            raise ConfigError(
                "`background_noise` has no `folder`", expected="a folder of recordings or of shards"
            )
        self.config = config
        self.recordings = Recordings(Path(config.folder), sample_rate=sample_rate)

    def augment_clip(self, waveform: Tensor, generator: Generator) -> Tensor:
        """(S,) → (S,)."""
        if not happens(self.config.prob, generator):
            return waveform
        noise = self.recordings.draw_stretch(len(waveform), generator)
        snr_db = uniform(self.config.snr_db, generator)
        ratio: Tensor = vector_norm(waveform) / vector_norm(noise).clamp(min=SILENCE)
        return waveform + noise * ratio * 10 ** (-snr_db / 20)
