from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
import torch

from asclf.audio.features import FbankOptions, compute_features, fbank
from asclf.audio.io import load_audio
from asclf.config import load_experiment
from asclf.errors import ConfigError
from asclf.frontends.fbank import Fbank, FbankConfig
from asclf.registry import FRONTENDS

ROOT = Path(__file__).parents[3]
UNFLOORED = {"floor_db": None, "mean_norm": False}
RANGE = 6 * np.log(10)
"""60 dB. What is further below the loudest bin of its frame is rounding, in the reference as well:
an FFT in float32 is wrong by about 1e-7 of the loudest."""
PAPER = {"level": "rms_-20", "floor_db": None, "high_freq_hz": 0.0}


def click(size: int) -> np.ndarray:
    signal = np.zeros(size)
    signal[[size // 3, size // 2, size - 1]] = 0.9, -0.5, 0.7
    return signal


def sweep(size: int) -> np.ndarray:
    """From 0 to 0.4 of the sample rate, so that every frame's loudest frequency is in a filter."""
    return 0.5 * np.sin(2 * np.pi * 0.2 * size * np.linspace(0, 1, size) ** 2)


def signals(sample_rate: int) -> dict[str, np.ndarray]:
    """Two seconds of each kind of synthetic signal."""
    size = 2 * sample_rate
    noise = np.random.default_rng(0).standard_normal(size)
    made = {
        "noise": 0.1 * noise,
        "loud": np.clip(noise, -1, 1),
        "faint": 1e-4 * noise,
        "fading": 0.1 * noise * np.logspace(0, -5, size),
        "offset": 0.1 + 0.01 * noise,
        "silence": np.zeros(size),
        "constant": np.full(size, 0.5),
        "clicks": click(size),
        "sweep": sweep(size),
        "half": np.where(np.arange(size) < sample_rate, 0.1 * noise, 0),
    }
    return {name: signal.astype(np.float32) for name, signal in made.items()}


def compute(waveform: np.ndarray, sample_rate: int, **options) -> np.ndarray:
    frontend = Fbank(FbankConfig(**options), sample_rate=sample_rate)
    feats, lengths = frontend(torch.from_numpy(waveform)[None])
    assert lengths is None
    return feats[0].numpy()


@pytest.mark.parametrize("sample_rate", [8000, 16_000, 44_100])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"snip_edges": True, "level": "rms_-20"},
        {**UNFLOORED, "level": "rms_-20", "high_freq_hz": 0.0},
        {**UNFLOORED, "snip_edges": True},
        {**UNFLOORED, "window": "hanning"},
        {**UNFLOORED, "window": "hamming", "num_mel_bins": 40},
        {**UNFLOORED, "window": "blackman", "frame_length_ms": 32.0, "frame_shift_ms": 20.0},
        {**UNFLOORED, "window": "rectangular", "num_mel_bins": 23, "low_freq_hz": 0.0},
        {**UNFLOORED, "preemphasis": 0.0, "remove_dc_offset": False},
        {**UNFLOORED, "preemphasis": 1.0, "frame_shift_ms": 25.0},
        {"floor_db": 30.0, "frame_length_ms": 40.0, "num_mel_bins": 128},
    ],
    ids=str,
)
def test_torch_agrees_with_kaldi_native_fbank(sample_rate, options):
    if sample_rate == 8000 and options.get("num_mel_bins", 80) >= 80:
        options = {**options, "num_mel_bins": 64}  # more leave filters empty
    for name, waveform in signals(sample_rate).items():
        expected = fbank(waveform, sample_rate, FbankOptions(**options))
        feats = compute(waveform, sample_rate, **options)
        assert feats.shape == expected.shape
        difference = np.abs(feats - expected)
        if "floor_db" in options and options["floor_db"] is None:
            audible = expected >= expected.max(axis=1, keepdims=True) - RANGE
            assert difference.max() <= 3e-2, name
            difference = difference[audible]
        assert difference.max() <= 1e-3, name


@pytest.mark.parametrize("samples", [0, 1, 100, 399, 400, 401, 479, 480, 559, 560, 719, 1601])
@pytest.mark.parametrize("snip_edges", [False, True])
def test_short_clips_agree_too(samples, snip_edges):
    waveform = signals(16_000)["noise"][:samples]
    options = {**UNFLOORED, "snip_edges": snip_edges}
    expected = fbank(waveform, 16_000, FbankOptions(**options))
    feats = compute(waveform, 16_000, **options)
    assert feats.shape == expected.shape
    assert np.abs(feats - expected).max() <= 1e-3


@pytest.mark.parametrize("options", [{}, PAPER], ids=["default", "paper"])
def test_real_clips_agree(real_data, options):
    paths = sorted((real_data / "ESC-50" / "audio").glob("*.ogg"))[::40]
    assert len(paths) >= 30
    differences = []
    for path in paths:
        waveform = load_audio(path, 16_000)
        expected = fbank(waveform, 16_000, FbankOptions(**options))
        differences.append(np.abs(compute(waveform, 16_000, **options) - expected))
    cells = np.stack(differences)
    assert np.mean(cells <= 1e-3) >= 0.9999
    assert cells.max() <= 1e-2


def test_both_implementations_give_the_same_batch():
    waveform = torch.from_numpy(np.stack([*signals(16_000).values()]))
    lengths = torch.tensor([32_000, 31_999, 20_000, 12_345, 8000, 1600, 401, 400, 399, 0])
    expected, num_frames = Fbank(FbankConfig(implementation="kaldi"), sample_rate=16_000)(
        waveform, lengths
    )
    feats, own_num_frames = Fbank(FbankConfig(), sample_rate=16_000)(waveform, lengths)
    assert num_frames.tolist() == own_num_frames.tolist()
    assert num_frames.dtype == torch.int64
    assert feats.shape == expected.shape
    assert (feats - expected).abs().max() <= 1e-3


def test_a_batch_is_the_clips_one_by_one():
    waveform = torch.from_numpy(np.stack([*signals(16_000).values()] * 60))  # several chunks
    frontend = Fbank(FbankConfig(), sample_rate=16_000)
    feats, _ = frontend(waveform)
    for i in (0, 7, 599):
        torch.testing.assert_close(feats[i], frontend(waveform[i : i + 1])[0][0])


def test_the_description_gives_the_same_features_without_torch():
    waveform = signals(16_000)["fading"]
    frontend = Fbank(FbankConfig(num_mel_bins=40, level="rms_-20"), sample_rate=16_000)
    description = frontend.describe()
    assert description["type"] == "fbank"
    assert "implementation" not in description
    feats, _ = frontend(torch.from_numpy(waveform)[None])
    expected = compute_features(waveform, description)
    assert np.abs(feats[0].numpy() - expected).max() <= 1e-3


def test_weights_hold_no_front_end():
    assert not Fbank(FbankConfig(), sample_rate=16_000).state_dict()


@pytest.mark.parametrize(
    ("options", "what"),
    [
        ({"high_freq_hz": 9000.0}, "from 20 to 9000 Hz is not a band"),
        ({"num_mel_bins": 300}, "300 mel bins leave filters empty at 16000 Hz"),
    ],
)
def test_options_that_do_not_fit_the_sample_rate_are_refused(options, what):
    with pytest.raises(ConfigError, match=what):
        Fbank(FbankConfig(**options), sample_rate=16_000)


def experiment(tmp_path: Path, base: str) -> FbankConfig:
    """The front end of an experiment that names a file of `conf/frontend` as its base."""
    path = tmp_path / "exp.yaml"
    base_path = ROOT / "conf" / "frontend" / base
    path.write_text(f"base: ['{base_path}']\nbackbone: {{type: ecapa_tdnn}}\n", encoding="utf-8")
    return load_experiment(path).frontend.config


def test_the_default_file_says_what_the_code_does(tmp_path):
    assert experiment(tmp_path, "default.yaml") == FRONTENDS.get("fbank").configure()


def test_the_papers_file_differs_where_the_paper_does(tmp_path):
    default, paper = asdict(FbankConfig()), asdict(experiment(tmp_path, "paper.yaml"))
    assert {name: paper[name] for name in paper if paper[name] != default[name]} == PAPER
