"""mel_spectrogram, spectrogram and mfcc against torchaudio's transforms of the same name."""

from __future__ import annotations

import pytest
import torch
from torchaudio import transforms

from asclf.errors import ConfigError
from asclf.frontends.mel_spectrogram import MelSpectrogramConfig, MelSpectrogramFrontend
from asclf.frontends.mfcc import MfccConfig, MfccFrontend
from asclf.frontends.spectrogram import SpectrogramConfig, SpectrogramFrontend

SAMPLE_RATE = 16_000
STFT = {"n_fft": 512, "win_length": 400, "hop_length": 160}
WAVEFORM = 0.1 * torch.randn(3, 8000, generator=torch.Generator().manual_seed(0))


def feats_of(frontend, waveform=WAVEFORM):
    feats, lengths = frontend(waveform)
    assert lengths is None
    assert feats.shape[-1] == frontend.feat_dim
    return feats


@pytest.mark.parametrize("power", [1.0, 2.0])
def test_spectrogram_is_torchaudios(power):
    config = SpectrogramConfig(power=power, log=False, mean_norm=False)
    expected = transforms.Spectrogram(**STFT, power=power)(WAVEFORM).transpose(1, 2)
    torch.testing.assert_close(
        feats_of(SpectrogramFrontend(config, sample_rate=SAMPLE_RATE)), expected
    )


@pytest.mark.parametrize(("scale", "norm"), [("htk", None), ("slaney", "slaney")])
def test_mel_spectrogram_is_torchaudios(scale, norm):
    config = MelSpectrogramConfig(
        num_mel_bins=40,
        low_freq_hz=50.0,
        high_freq_hz=-500.0,
        mel_scale=scale,
        mel_norm=norm,
        log=False,
        mean_norm=False,
    )
    reference = transforms.MelSpectrogram(
        SAMPLE_RATE, **STFT, n_mels=40, f_min=50, f_max=7500, mel_scale=scale, norm=norm
    )
    feats = feats_of(MelSpectrogramFrontend(config, sample_rate=SAMPLE_RATE))
    torch.testing.assert_close(feats, reference(WAVEFORM).transpose(1, 2))


@pytest.mark.parametrize("log_mels", [False, True])
def test_mfcc_is_torchaudios_clip_by_clip(log_mels):
    config = MfccConfig(num_ceps=20, log_mels=log_mels, mean_norm=False)
    reference = transforms.MFCC(
        SAMPLE_RATE, n_mfcc=20, log_mels=log_mels, melkwargs={**STFT, "n_mels": 80}
    )
    waveform = WAVEFORM * torch.tensor([1.0, 1e-3, 1e-5])[:, None]
    feats = feats_of(MfccFrontend(config, sample_rate=SAMPLE_RATE), waveform)
    expected = torch.cat([reference(clip[None]) for clip in waveform]).transpose(1, 2)
    torch.testing.assert_close(feats, expected, rtol=1e-4, atol=1e-3)


def test_an_odd_fft_counts_its_frames_right():
    config = SpectrogramConfig(n_fft=401, log=False, mean_norm=False)
    frontend = SpectrogramFrontend(config, sample_rate=SAMPLE_RATE)
    feats, num_frames = frontend(WAVEFORM, torch.tensor([8000, 7999, 480]))
    assert num_frames.tolist() == [50, 50, 3]
    assert feats.shape[1] == 50


@pytest.mark.parametrize(
    ("frontend", "config"),
    [
        (SpectrogramFrontend, SpectrogramConfig),
        (MelSpectrogramFrontend, MelSpectrogramConfig),
    ],
)
def test_logarithms_are_natural_with_a_small_offset(frontend, config):
    linear = feats_of(frontend(config(log=False, mean_norm=False), sample_rate=SAMPLE_RATE))
    log = feats_of(frontend(config(mean_norm=False), sample_rate=SAMPLE_RATE))
    torch.testing.assert_close(log, torch.log(linear + 1e-6))


@pytest.mark.parametrize(
    ("frontend", "config"),
    [
        (SpectrogramFrontend, SpectrogramConfig(frame_shift_ms=26.0)),
        (SpectrogramFrontend, SpectrogramConfig(n_fft=256)),
        (MelSpectrogramFrontend, MelSpectrogramConfig(high_freq_hz=9000.0)),
        (MelSpectrogramFrontend, MelSpectrogramConfig(num_mel_bins=300)),
        (MfccFrontend, MfccConfig(num_ceps=81)),
    ],
)
def test_options_that_do_not_fit_are_refused(frontend, config):
    with pytest.raises(ConfigError):
        frontend(config, sample_rate=SAMPLE_RATE)
