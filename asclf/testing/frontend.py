"""What every front end promises."""

from __future__ import annotations

import json

import torch
from torch import Tensor

from asclf.protocols import Frontend
from asclf.registry import Entry
from asclf.testing._tools import Check, assert_finite, assert_same, seeded

SAMPLE_RATE = 16_000
SAMPLES = 6_000
TOLERANCE = 1e-5


@seeded
def check_feats_are_finite_and_of_their_width(entry: Entry) -> None:
    """(B, S) → (B, T, F) float32, F being `feat_dim`; no lengths in, no lengths out."""
    frontend = _build(entry)
    feats, lengths = frontend(_noise(2, SAMPLES))
    assert lengths is None
    assert feats.shape == (2, feats.shape[1], frontend.feat_dim)
    assert feats.shape[1] > 0
    assert_finite(feats, "feats")


@seeded
def check_silence(entry: Entry) -> None:
    """Digital silence has finite feats."""
    assert_finite(_build(entry)(torch.zeros(1, SAMPLES))[0], "the feats of silence")


@seeded
def check_shortest_clips(entry: Entry) -> None:
    """A clip shorter than a frame, down to one sample, has at least one frame."""
    frontend = _build(entry)
    for samples in (1, 2, 100, 399, 400, 401):
        feats, _ = frontend(_noise(1, samples))
        assert feats.shape[1] >= 1, f"{samples} samples give no frame"
        assert_finite(feats, f"the feats of {samples} samples")


@seeded
def check_same_clip_same_feats(entry: Entry) -> None:
    """The feats of a clip do not change from call to call, and the waveform stays as it was."""
    frontend, waveform = _build(entry), _noise(2, SAMPLES)
    before = waveform.clone()
    first, second = frontend(waveform)[0], frontend(waveform)[0]
    assert_same(second, first, "two calls with one waveform")
    assert_same(waveform, before, "the waveform after and before")


@seeded
def check_batch_mates_and_padding_do_not_matter(entry: Entry) -> None:
    """A clip padded with zeros has, in its valid frames, the feats that it has alone."""
    frontend = _build(entry)
    lengths = torch.tensor([SAMPLES, SAMPLES - 1, 4000, 1234, 401, 7])
    waveform = _noise(len(lengths), SAMPLES)
    waveform[torch.arange(SAMPLES) >= lengths.unsqueeze(1)] = 0
    feats, frames = frontend(waveform, lengths)
    assert frames is not None, "lengths went in, and none came out"
    assert frames.dtype == torch.int64
    for i, length in enumerate(lengths):
        alone = frontend(waveform[i : i + 1, :length])[0][0]
        what = f"a clip of {length} samples, padded to {SAMPLES} and alone"
        assert frames[i] == len(alone), f"{what}: {frames[i]} frames and {len(alone)}"
        assert_same(feats[i, : frames[i]], alone, what, TOLERANCE)


@seeded
def check_description_is_plain(entry: Entry) -> None:
    """`describe()` survives JSON, and says type and sample rate."""
    description = _build(entry).describe()
    assert json.loads(json.dumps(description)) == description
    assert description["sample_rate"] == SAMPLE_RATE
    assert isinstance(description["type"], str)


def _build(entry: Entry) -> Frontend:
    frontend = entry.build(sample_rate=SAMPLE_RATE)
    assert isinstance(frontend, Frontend)
    return frontend


def _noise(clips: int, samples: int) -> Tensor:
    return 0.1 * torch.randn(clips, samples)


CHECKS: tuple[Check, ...] = (
    check_feats_are_finite_and_of_their_width,
    check_silence,
    check_shortest_clips,
    check_same_clip_same_feats,
    check_batch_mates_and_padding_do_not_matter,
    check_description_is_plain,
)
