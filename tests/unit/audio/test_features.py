from __future__ import annotations

import subprocess
import sys
from dataclasses import asdict, replace

import numpy as np
import pydantic
import pytest

from asclf.audio.features import FbankOptions, compute_features, fbank, frame_samples
from asclf.audio.mel import band_hz
from asclf.errors import BundleError, ConfigError

SAMPLE_RATE = 16_000
NOISE = (0.1 * np.random.default_rng(0).standard_normal(SAMPLE_RATE)).astype(np.float32)
PLAIN = FbankOptions(floor_db=None, mean_norm=False)
LOG_EPSILON = np.log(np.finfo(np.float32).eps)


@pytest.mark.parametrize(
    ("snip_edges", "samples", "frames"),
    [
        (False, 16_000, 100),
        (False, 15_920, 100),
        (False, 15_919, 99),
        (True, 16_000, 98),
        (True, 559, 1),
        (True, 560, 2),
    ],
)
def test_frames_are_counted_as_kaldi_counts_them(snip_edges, samples, frames):
    options = FbankOptions(snip_edges=snip_edges)
    assert fbank(NOISE[:samples], SAMPLE_RATE, options).shape == (frames, 80)


@pytest.mark.parametrize("snip_edges", [False, True])
@pytest.mark.parametrize("samples", [0, 1, 399])
def test_a_clip_shorter_than_a_frame_is_filled_up_with_zeros(snip_edges, samples):
    options = replace(PLAIN, snip_edges=snip_edges)
    filled = np.pad(NOISE[:samples], (0, 400 - samples))
    feats = fbank(NOISE[:samples], SAMPLE_RATE, options)
    assert len(feats) >= 1
    np.testing.assert_array_equal(feats, fbank(filled, SAMPLE_RATE, options))


def test_features_are_the_same_every_time():
    first, second = (fbank(NOISE, SAMPLE_RATE, PLAIN) for _ in range(2))
    np.testing.assert_array_equal(first, second)


def test_silence_lies_on_kaldis_floor():
    feats = fbank(np.zeros(1600, np.float32), SAMPLE_RATE, PLAIN)
    np.testing.assert_allclose(feats, LOG_EPSILON, rtol=1e-6)
    levelled = replace(PLAIN, level="rms_-20")
    np.testing.assert_array_equal(fbank(np.zeros(1600, np.float32), SAMPLE_RATE, levelled), feats)


def test_silence_is_zero_after_mean_norm():
    assert not fbank(np.zeros(80_000, np.float32), SAMPLE_RATE, FbankOptions()).any()


def test_a_tone_is_loudest_in_its_own_bin():
    tone = 0.5 * np.sin(2 * np.pi * 1000 * np.arange(SAMPLE_RATE) / SAMPLE_RATE)
    feats = fbank(tone.astype(np.float32), SAMPLE_RATE, PLAIN)
    mel = 1127 * np.log(1 + np.array([20, 1000, 7600]) / 700)
    expected = (mel[1] - mel[0]) / (mel[2] - mel[0]) * 81 - 1
    assert abs(feats.mean(axis=0).argmax() - expected) <= 0.5


def test_the_floor_is_counted_from_the_clips_maximum():
    faded = NOISE * np.logspace(0, -6, len(NOISE)).astype(np.float32)
    feats = fbank(faded, SAMPLE_RATE, PLAIN)
    floored = fbank(faded, SAMPLE_RATE, replace(PLAIN, floor_db=30.0))
    floor = feats.max() - 3 * np.log(10)
    assert feats.min() < floor
    np.testing.assert_allclose(floored, np.maximum(feats, floor), rtol=1e-6)


def test_the_mean_is_taken_after_the_floor():
    options = FbankOptions()
    feats = fbank(NOISE, SAMPLE_RATE, replace(options, mean_norm=False))
    normed = fbank(NOISE, SAMPLE_RATE, options)
    np.testing.assert_allclose(normed, feats - feats.mean(axis=0), atol=1e-5)


def test_gain_does_not_matter_under_a_floor_of_50_db():
    faded = NOISE * np.logspace(0, -6, len(NOISE)).astype(np.float32)
    reference = fbank(faded, SAMPLE_RATE, FbankOptions())
    unfloored = FbankOptions(floor_db=None)
    assert (
        np.abs(
            fbank(faded / 8, SAMPLE_RATE, unfloored) - fbank(faded, SAMPLE_RATE, unfloored)
        ).max()
        > 1
    )
    for gain in (1 / 64, 1 / 8, 8):
        feats = fbank(faded * np.float32(gain), SAMPLE_RATE, FbankOptions())
        assert np.abs(feats - reference).max() < 1e-3
    levelled = fbank(faded, SAMPLE_RATE, FbankOptions(level="rms_-20"))
    assert np.abs(levelled - reference).max() < 1e-3


def test_gain_does_not_matter_on_real_clips(real_data):
    from asclf.audio.io import load_audio

    paths = sorted((real_data / "ESC-50" / "audio").glob("*.ogg"))[::64]
    assert len(paths) >= 20
    for path in paths:
        waveform = load_audio(path, SAMPLE_RATE)
        raw = fbank(waveform, SAMPLE_RATE, FbankOptions())
        levelled = fbank(waveform, SAMPLE_RATE, FbankOptions(level="rms_-20"))
        assert np.abs(raw - levelled).max() < 1e-3, path.name


def test_the_description_gives_the_same_features():
    options = FbankOptions(num_mel_bins=40, level="rms_-20")
    description = {"type": "fbank", "sample_rate": SAMPLE_RATE, **asdict(options)}
    np.testing.assert_array_equal(
        compute_features(NOISE, description), fbank(NOISE, SAMPLE_RATE, options)
    )


def test_the_waveform_is_its_own_feature():
    feats = compute_features(NOISE, {"type": "waveform", "sample_rate": SAMPLE_RATE})
    np.testing.assert_array_equal(feats, NOISE[:, None])


@pytest.mark.parametrize(
    ("description", "named"),
    [
        ({"type": "mfcc", "sample_rate": 16_000}, "'mfcc'"),
        ({"sample_rate": 16_000}, "None"),
        ({"type": "fbank"}, "None"),
        ({"type": "fbank", "sample_rate": 16_000, "dither": 1.0}, "`dither`"),
        ({"type": "fbank", "sample_rate": 16_000, "num_mel_bins": "80"}, "`num_mel_bins`"),
    ],
)
def test_a_foreign_description_is_a_bundle_error(description, named):
    with pytest.raises(BundleError, match=named):
        compute_features(NOISE, description)


def test_dither_is_not_an_option():
    with pytest.raises(pydantic.ValidationError, match="dither"):
        FbankOptions(dither=0.0)


def test_a_shift_longer_than_the_frame_is_refused():
    with pytest.raises(pydantic.ValidationError, match="frame_shift_ms"):
        FbankOptions(frame_length_ms=10.0, frame_shift_ms=10.1)


@pytest.mark.parametrize(
    ("options", "sample_rate", "what"),
    [
        (FbankOptions(high_freq_hz=7600.0), 8000, "from 20 to 7600 Hz is not a band"),
        (FbankOptions(low_freq_hz=4000.0), 8000, "from 4000 to 3600 Hz is not a band"),
        (FbankOptions(num_mel_bins=300), 16_000, "300 mel bins leave filters empty"),
        (FbankOptions(frame_length_ms=0.1, frame_shift_ms=0.05), 8000, "too short at 8000 Hz"),
    ],
)
def test_options_that_do_not_fit_the_sample_rate_are_refused(options, sample_rate, what):
    with pytest.raises(ConfigError, match=what):
        fbank(NOISE, sample_rate, options)


def test_an_upper_edge_of_zero_or_less_counts_from_half_the_rate():
    assert band_hz(20, 0, 16_000) == (20, 8000)
    assert band_hz(20, -400, 16_000) == (20, 7600)
    assert band_hz(20, 7600, 16_000) == (20, 7600)


@pytest.mark.parametrize(
    ("sample_rate", "expected"),
    [(8000, (200, 80)), (16_000, (400, 160)), (22_050, (551, 220)), (44_100, (1102, 441))],
)
def test_frames_are_rounded_down_to_samples(sample_rate, expected):
    assert frame_samples(FbankOptions(), sample_rate) == expected


def test_features_need_no_torch():
    code = "import sys, asclf.audio.features, asclf.audio.io; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
