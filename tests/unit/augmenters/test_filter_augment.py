from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from asclf.audio.io import load_audio
from asclf.frontends.mel_spectrogram import MelSpectrogramConfig, MelSpectrogramFrontend
from asclf.registry import AUGMENTERS


def filtered(feats: Tensor, lengths: Tensor | None = None, seed: int = 0, **options: Any) -> Tensor:
    entry = AUGMENTERS.get("filter_augment")
    augmenter = entry.build(entry.configure(**options), sample_rate=16_000)
    changed = augmenter.augment_feats(feats, lengths, torch.Generator().manual_seed(seed))
    assert isinstance(changed, Tensor)
    return changed


def gains_db(num_clips: int = 200, num_bins: int = 64, **options: Any) -> Tensor:
    """(B, F) gains that were drawn."""
    return filtered(torch.zeros(num_clips, 1, num_bins), feats_per_db=1.0, **options)[:, 0]


def test_every_frame_of_a_clip_gets_the_same_gains_and_every_clip_others() -> None:
    added = filtered(torch.zeros(5, 30, 40))
    assert torch.equal(added, added[:, :1].expand_as(added))
    assert len(added[:, 0].unique(dim=0)) == 5


def test_gains_keep_to_their_bounds_and_reach_them() -> None:
    gains = gains_db(gain_db=(-3.0, 9.0))
    assert -3 <= gains.min() < -2.5
    assert 8.5 < gains.max() <= 9


@pytest.mark.parametrize("num_bands", [(1, 1), (2, 4)])
def test_steps_are_as_many_as_asked_and_as_wide(num_bands: tuple[int, int]) -> None:
    counts = set()
    for gains in gains_db(kind="step", num_bands=num_bands, min_bins=6):
        _, widths = gains.unique_consecutive(return_counts=True)
        assert widths.min() >= 6
        counts.add(len(widths))
    assert counts == set(range(num_bands[0], num_bands[1] + 1))


def test_linear_gains_bend_at_the_inner_edges_alone() -> None:
    gains = gains_db(kind="linear", num_bands=(3, 3), min_bins=6)
    bends = (gains.diff().diff().abs() > 1e-4).sum(1)
    assert bends.max() == 2
    assert gains.diff().abs().max() <= 12 / 6


@pytest.mark.parametrize("num_bins", [1, 2, 7, 20])
@pytest.mark.parametrize("kind", ["linear", "step"])
def test_bands_narrow_where_they_do_not_fit(num_bins: int, kind: str) -> None:
    gains = gains_db(20, num_bins, kind=kind)
    assert gains.shape == (20, num_bins)
    assert gains.isfinite().all()


def test_padding_gets_no_gain() -> None:
    lengths = torch.tensor([30, 12])
    changed = filtered(torch.zeros(2, 30, 40), lengths)
    assert changed[1, :12].any()
    assert not changed[1, 12:].any()


def test_probability_of_filter_augment_is_of_a_clip() -> None:
    changed = filtered(torch.zeros(400, 2, 20), prob=0.25).flatten(1).any(1)
    assert changed.float().mean().item() == pytest.approx(0.25, abs=0.08)


def test_a_decibel_on_a_real_clip_is_a_decibel_of_the_feats(real_data: Path) -> None:
    path = min((real_data / "ESC-50" / "audio").glob("1-*.ogg"))
    waveform = torch.from_numpy(load_audio(path, 16_000)).unsqueeze(0)
    frontend = MelSpectrogramFrontend(MelSpectrogramConfig(mean_norm=False), sample_rate=16_000)
    feats, _ = frontend(waveform)
    louder, _ = frontend(10 ** (3 / 20) * waveform)
    changed = filtered(feats, gain_db=(3.0, 3.0))
    sound = feats > math.log(1e-2)  # far above the offset of the logarithm
    torch.testing.assert_close(changed[sound], louder[sound], atol=1e-2, rtol=0)
    assert sound.any()
