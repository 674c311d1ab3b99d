"""`fbank` against `torchaudio.compliance.kaldi`, which many published models were trained with."""

from __future__ import annotations

import pytest
import torch
from torchaudio.compliance import kaldi

from asclf.frontends.fbank import Fbank, FbankConfig

pytestmark = pytest.mark.parity

NOISE = 0.1 * torch.randn(2, 16_000, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("window", ["povey", "hanning", "hamming", "rectangular", "blackman"])
@pytest.mark.parametrize("snip_edges", [False, True])
@pytest.mark.parametrize("high_freq_hz", [0.0, -400.0])
def test_against_torchaudio_compliance_kaldi(window, snip_edges, high_freq_hz):
    config = FbankConfig(
        window=window,
        snip_edges=snip_edges,
        high_freq_hz=high_freq_hz,
        floor_db=None,
        mean_norm=False,
    )
    feats, _ = Fbank(config, sample_rate=16_000)(NOISE)
    for clip, own in zip(NOISE, feats, strict=True):
        expected = kaldi.fbank(
            clip[None],
            num_mel_bins=80,
            dither=0.0,
            window_type=window,
            snip_edges=snip_edges,
            high_freq=high_freq_hz,
        )
        torch.testing.assert_close(own, expected, rtol=0, atol=1e-3)
