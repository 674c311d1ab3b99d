from __future__ import annotations

import pytest
import torch
from torch import Tensor

from asclf.protocols import Batch
from asclf.registry import AUGMENTERS

SIZE, SAMPLES = 6, 1000


def make_batch(lengths: Tensor | None = None) -> Batch:
    """Clip i is i + 1 where it has sound, so that each sample tells whose it is."""
    waveform = torch.arange(1.0, SIZE + 1).unsqueeze(1).repeat(1, SAMPLES)
    if lengths is not None:
        waveform[torch.arange(SAMPLES) >= lengths.unsqueeze(1)] = 0
    ids = tuple(f"clip{i}" for i in range(SIZE))
    return Batch(waveform=waveform, lengths=lengths, targets=torch.eye(SIZE), clip_ids=ids)


def cut(batch: Batch, seed: int = 0, prob: float = 1.0, alpha: float = 1.0) -> Batch:
    entry = AUGMENTERS.get("cutmix")
    cutmix = entry.build(entry.configure(prob=prob, alpha=alpha), sample_rate=16_000)
    changed = cutmix.augment_batch(batch, torch.Generator().manual_seed(seed))
    assert isinstance(changed, Batch)
    return changed


def shares_of_time(waveform: Tensor) -> Tensor:
    """(B, C) part of each clip's sound that is each clip's."""
    owner = waveform.long()
    counts = torch.stack([(owner == i + 1).sum(1) for i in range(SIZE)], dim=1)
    return counts / (owner > 0).sum(1, keepdim=True)


def test_targets_are_mixed_by_the_share_of_time() -> None:
    for seed in range(20):
        changed = cut(make_batch(), seed)
        torch.testing.assert_close(changed.targets, shares_of_time(changed.waveform))


def test_what_is_pasted_is_one_stretch_of_one_other_clip() -> None:
    widths = []
    for seed in range(20):
        for i, clip in enumerate(cut(make_batch(), seed).waveform):
            foreign = (clip != i + 1).nonzero().flatten()
            widths.append(len(foreign))
            if len(foreign):
                assert foreign[-1] - foreign[0] + 1 == len(foreign)
                assert len(clip[foreign].unique()) == 1
    assert min(widths) < 0.1 * SAMPLES < 0.9 * SAMPLES < max(widths)


def test_a_stretch_comes_from_the_same_place_of_the_other_clip() -> None:
    ramp = torch.arange(1.0, SAMPLES + 1)
    signs = torch.tensor([1.0, -1.0])
    batch = Batch(
        waveform=signs.unsqueeze(1) * ramp,
        lengths=None,
        targets=torch.eye(2),
        clip_ids=("up", "down"),
    )
    for seed in range(10):
        assert torch.equal(cut(batch, seed).waveform.abs(), ramp.repeat(2, 1))


def test_no_padding_is_pasted_and_none_is_pasted_over() -> None:
    lengths = torch.tensor([1000, 10, 500, 1, 999, 250])
    for seed in range(30):
        batch = make_batch(lengths)
        changed = cut(batch, seed)
        assert torch.equal(changed.waveform > 0, batch.waveform > 0)
        torch.testing.assert_close(changed.targets, shares_of_time(changed.waveform))
        assert changed.lengths is lengths


def test_probability_of_cutmix_is_of_a_clip() -> None:
    changed = [
        (cut(make_batch(), seed, prob=0.3).targets.diagonal() < 1).sum() for seed in range(100)
    ]
    share = torch.stack(changed).float().mean().item() / SIZE
    assert share == pytest.approx(0.3 * (1 - 1 / SIZE), abs=0.06)  # one in six is its own partner


def test_stretches_reach_both_ends() -> None:
    ends = set()
    for seed in range(60):
        changed = cut(make_batch(), seed).waveform
        is_foreign = changed != torch.arange(1, SIZE + 1).unsqueeze(1)
        ends |= {"first"} if is_foreign[:, :20].any() else set()
        ends |= {"last"} if is_foreign[:, -20:].any() else set()
    assert ends == {"first", "last"}
