from __future__ import annotations

import torch

from asclf.backbones._blocks.short import repeat_last_frame


def test_shorter_clips_end_in_copies_of_their_own_last_frame() -> None:
    feats = torch.arange(8.0).reshape(2, 4, 1)  # (B, T, F)
    longer, lengths = repeat_last_frame(feats, torch.tensor([4, 2]), min_frames=6)
    assert longer.squeeze(2).tolist() == [[0, 1, 2, 3, 3, 3], [4, 5, 5, 5, 5, 5]]
    assert lengths is not None
    assert lengths.tolist() == [6, 6]


def test_without_lengths_every_clip_is_as_long_as_the_batch() -> None:
    feats = torch.randn(2, 4, 3)
    longer, lengths = repeat_last_frame(feats, None, min_frames=5)
    assert lengths is None
    assert torch.equal(longer[:, :4], feats)
    assert torch.equal(longer[:, 4], feats[:, 3])


def test_clips_that_are_long_enough_stay_as_they_are() -> None:
    feats, lengths = torch.randn(2, 7, 3), torch.tensor([7, 5])
    longer, kept = repeat_last_frame(feats, lengths, min_frames=5)
    assert torch.equal(longer[0], feats[0])
    assert torch.equal(longer[1, :5], feats[1, :5])
    assert kept is not None
    assert torch.equal(kept, lengths)
