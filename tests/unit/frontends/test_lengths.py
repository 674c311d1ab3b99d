"""What every front end promises about padded batches."""

from __future__ import annotations

import pytest
import torch

from asclf.frontends._lengths import mirror_ends
from asclf.masks import length_keep_mask
from asclf.protocols import Frontend
from asclf.registry import FRONTENDS

SAMPLE_RATE = 16_000
LENGTHS = torch.tensor([8000, 7999, 4321, 801, 513, 400, 77, 1])
VARIANTS = [
    ("fbank", {}),
    ("fbank", {"snip_edges": True}),
    ("fbank", {"level": "rms_-20", "floor_db": None, "high_freq_hz": 0.0}),
    ("fbank", {"implementation": "kaldi"}),
    ("mel_spectrogram", {}),
    ("mel_spectrogram", {"log": False, "level": "rms_-20"}),
    ("spectrogram", {}),
    ("spectrogram", {"mean_norm": False, "power": 1.0}),
    ("mfcc", {}),
    ("mfcc", {"log_mels": True}),
    ("waveform", {}),
]


def build(name: str, options: dict) -> Frontend:
    entry = FRONTENDS.get(name)
    return entry.build(entry.configure(**options), sample_rate=SAMPLE_RATE)


def clips() -> torch.Tensor:
    """Clips of very different level, each fading, with loud noise in their padding."""
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(len(LENGTHS), 8000, generator=generator)
    level = torch.logspace(0, -3, len(LENGTHS))[:, None]
    fade = torch.logspace(0, -2, 8000)
    return torch.where(length_keep_mask(LENGTHS, 8000), 0.1 * level * fade * noise, noise)


@pytest.mark.parametrize(("name", "options"), VARIANTS, ids=str)
def test_padding_and_batch_mates_never_change_a_clip(name, options):
    frontend = build(name, options)
    waveform = clips()
    feats, num_frames = frontend(waveform, LENGTHS)
    assert num_frames.dtype == torch.int64
    assert num_frames.shape == LENGTHS.shape
    for i, length in enumerate(LENGTHS.tolist()):
        alone, lengths = frontend(waveform[i : i + 1, :length])
        assert lengths is None
        assert alone.shape[1] == num_frames[i]
        torch.testing.assert_close(feats[i, : num_frames[i]], alone[0], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("name", "options"), VARIANTS, ids=str)
def test_padding_frames_are_zero(name, options):
    waveform = clips().masked_fill(~length_keep_mask(LENGTHS, 8000), torch.nan)
    feats, num_frames = build(name, options)(waveform, LENGTHS)
    assert feats.isfinite().all()
    assert not feats[~length_keep_mask(num_frames, feats.shape[1])].any()


@pytest.mark.parametrize(("name", "options"), VARIANTS, ids=str)
def test_full_lengths_are_the_unmasked_path(name, options):
    frontend = build(name, options)
    waveform = clips()
    unmasked, _ = frontend(waveform)
    masked, num_frames = frontend(waveform, torch.full_like(LENGTHS, 8000))
    assert num_frames.tolist() == [unmasked.shape[1]] * len(LENGTHS)
    torch.testing.assert_close(masked, unmasked, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("name", "options"), VARIANTS, ids=str)
def test_the_input_is_left_as_it_is(name, options):
    waveform = clips()
    build(name, options)(waveform, LENGTHS)
    torch.testing.assert_close(waveform, clips(), rtol=0, atol=0)


@pytest.mark.parametrize(("name", "options"), VARIANTS, ids=str)
def test_silence_is_finite(name, options):
    feats, _ = build(name, options)(torch.zeros(2, 8000))
    assert feats.isfinite().all()


@pytest.mark.parametrize("name", FRONTENDS.names())
def test_every_front_end_keeps_the_protocol_and_describes_itself(name):
    frontend = build(name, {})
    assert isinstance(frontend, Frontend)
    feats, _ = frontend(torch.zeros(1, 8000))
    assert feats.shape[2] == frontend.feat_dim
    description = frontend.describe()
    assert (description["type"], description["sample_rate"]) == (name, SAMPLE_RATE)
    options = {key: description[key] for key in description.keys() - {"type", "sample_rate"}}
    assert FRONTENDS.get(name).configure(**options) == FRONTENDS.get(name).configure()


@pytest.mark.parametrize(
    ("repeat_edge", "expected"),
    [
        (True, [[2, 1, 1, 2, 3, 4, 4, 3, 2], [6, 5, 5, 6, 7, 7, 6, 5, 0]]),
        (False, [[3, 2, 1, 2, 3, 4, 3, 2, 1], [7, 6, 5, 6, 7, 6, 5, 0, 0]]),
    ],
)
def test_clips_are_mirrored_at_their_own_ends(repeat_edge, expected):
    waveform = torch.tensor([[1, 2, 3, 4], [5, 6, 7, 0]])
    right = 3 if repeat_edge else 2
    mirrored = mirror_ends(
        waveform, torch.tensor([4, 3]), left=2, right=right, repeat_edge=repeat_edge
    )
    assert mirrored.tolist() == [row[: 6 + right] for row in expected]
    alone = mirror_ends(waveform[:1], None, left=2, right=right, repeat_edge=repeat_edge)
    assert alone[0].tolist() == mirrored[0].tolist()
