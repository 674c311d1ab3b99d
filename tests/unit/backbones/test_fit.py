from __future__ import annotations

import pytest
import torch

from asclf.backbones._blocks.fit import fit_frames


@pytest.mark.parametrize(
    ("frames", "expected"),
    [
        (1, [0, 0, 0, 0]),
        (3, [0, 1, 2, 0]),
        (4, [0, 1, 2, 3]),
        (5, [0, 1, 2, 3]),
        (6, [1, 2, 3, 4]),
        (9, [2, 3, 4, 5]),
    ],
)
def test_the_middle_is_taken_and_short_clips_are_repeated(frames: int, expected: list[int]) -> None:
    feats = torch.arange(float(frames)).reshape(1, frames, 1).expand(2, -1, 3)
    fitted = fit_frames(feats, None, 4)
    assert fitted.shape == (2, 4, 3)
    assert fitted[0, :, 0].tolist() == fitted[1, :, 2].tolist() == expected


def test_each_clip_of_a_padded_batch_is_fitted_as_if_alone() -> None:
    lengths = torch.tensor([9, 6, 4, 3, 1])
    feats = torch.randn(5, 9, 2)
    fitted = fit_frames(feats, lengths, 4)
    for clip, found, length in zip(feats, fitted, lengths, strict=True):
        torch.testing.assert_close(found, fit_frames(clip[None, :length], None, 4)[0])
