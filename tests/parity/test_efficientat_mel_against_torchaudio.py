"""`efficientat_mel` against the operations that the published code is made of.

They are torch's convolution and STFT and torchaudio's Kaldi filters, in the order that
`models/preprocess.py` of github.com/fschmid56/EfficientAT gives them in evaluation mode.
"""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torchaudio.compliance.kaldi import get_mel_banks

from asclf.registry import FRONTENDS

pytestmark = pytest.mark.parity


def published(waveform: Tensor) -> Tensor:
    """(B, S) at 32 kHz → (B, T, 128)."""
    kernel = torch.tensor([[[-0.97, 1.0]]])
    emphasised = torch.conv1d(waveform[:, None], kernel)[:, 0]  # (B, S - 1)
    window = torch.hann_window(800, periodic=False)
    spectrum = torch.stft(emphasised, 1024, 320, 800, window, center=True, return_complex=True)
    filters, _ = get_mel_banks(128, 1024, 32_000.0, 0.0, 15_000.0, 100.0, -500.0, 1.0)
    energies = torch.nn.functional.pad(filters, (0, 1)) @ spectrum.abs().square()  # (B, 128, T)
    return ((energies + 1e-5).log().transpose(1, 2) + 4.5) / 5


@pytest.mark.parametrize("scale", [0.0, 1e-3, 0.1, 1.0])
@pytest.mark.parametrize("samples", [1024, 32_000, 160_000])
def test_features_are_those_of_the_published_steps(samples: int, scale: float) -> None:
    torch.manual_seed(0)
    waveform = scale * torch.randn(2, samples)
    feats, _ = FRONTENDS.get("efficientat_mel").build(sample_rate=32_000)(waveform)
    torch.testing.assert_close(feats, published(waveform), rtol=0, atol=1e-4)
