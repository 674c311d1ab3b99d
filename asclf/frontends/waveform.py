"""The waveform itself, for backbones that learn their own front end."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from asclf.config import component_config
from asclf.frontends._lengths import zero_padding
from asclf.registry import FRONTENDS


@component_config
class WaveformConfig:
    """A front end without options."""


@FRONTENDS.register("waveform", WaveformConfig)
class Waveform(nn.Module):
    """Samples as frames of one value each."""

    feat_dim = 1

    def __init__(self, config: WaveformConfig, *, sample_rate: int) -> None:
        super().__init__()
        self.config = config
        self.sample_rate = sample_rate

    def forward(
        self, waveform: Tensor, lengths: Tensor | None = None
    ) -> tuple[Tensor, Tensor | None]:
        """(B, S), (B,) samples → (B, S, 1), padding zero, and the same lengths."""
        return zero_padding(waveform[..., None], lengths), lengths

    def describe(self) -> dict[str, Any]:
        """What `asclf.audio.features.compute_features` needs to do the same on the device."""
        return {"type": "waveform", "sample_rate": self.sample_rate}
