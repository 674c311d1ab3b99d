"""Which frames of a padded map (B, C, T, F) belong to a clip, for layers that honour it."""

from __future__ import annotations

from torch import Tensor

from asclf.masks import length_keep_mask


class Valid:
    """The frames that are no padding, at one resolution.

    Args:
        lengths: (B,) valid frames.
        num_frames: Frames T of the padded batch.
    """

    def __init__(self, lengths: Tensor, num_frames: int) -> None:
        self.lengths = lengths
        self.num_frames = num_frames
        self.keep_mask = length_keep_mask(lengths, num_frames)  # (B, T)
        self.keep = self.keep_mask[:, None, :, None]  # (B, 1, T, 1)

    def strided(self, stride: int) -> Valid:
        """The same after a convolution with padding kernel // 2: ⌈length / stride⌉ frames."""
        if stride == 1:
            return self
        return Valid(-(-self.lengths // stride), -(-self.num_frames // stride))

    def shortened(self, frames: int) -> Valid:
        """The same after a convolution without padding, which leaves so many frames less."""
        return Valid(self.lengths - frames, self.num_frames - frames)


def cut(x: Tensor, valid: Valid | None) -> Tensor:
    """X (B, C, T, F) with its padding set to zero, as it would be beyond the end of the clip."""
    return x if valid is None else x * valid.keep
