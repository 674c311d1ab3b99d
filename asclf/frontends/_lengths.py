"""What front ends do to padded batches, so that padding never changes a clip's features."""

from __future__ import annotations

import torch
from torch import Tensor

from asclf.audio.level import SILENCE_RMS, TARGET_RMS, Level
from asclf.masks import length_keep_mask


def prepare(
    waveform: Tensor, lengths: Tensor | None, *, level: Level, shortest: int
) -> tuple[Tensor, Tensor | None]:
    """Silences the padding, sets the level, and fills clips up to `shortest` samples with zeros.

    Args:
        waveform: (B, S).
        lengths: (B,) samples, or `None`.
        level: As in `asclf.audio.level.normalise_level`, for each clip.
        shortest: Samples that every clip has afterwards, as must be for one frame.

    Returns:
        (B, S') with S' = max(S, shortest), and the new lengths.
    """
    if lengths is not None:
        waveform = waveform.masked_fill(~length_keep_mask(lengths, waveform.shape[1]), 0.0)
    if level != "none":
        waveform = waveform * _gain(waveform, lengths)
    missing = max(0, shortest - waveform.shape[1])
    waveform = torch.nn.functional.pad(waveform, (0, missing)) if missing else waveform
    return waveform, None if lengths is None else lengths.clamp_min(shortest)


def mirror_ends(
    waveform: Tensor, lengths: Tensor | None, *, left: int, right: int, repeat_edge: bool
) -> Tensor:
    """Continues each clip by its mirror image, at its own two ends rather than the batch's.

    Args:
        waveform: (B, S); every clip is longer than `left` and than `right`.
        lengths: (B,) samples, or `None`.
        left: Samples to put before each clip.
        right: Samples to put after each clip.
        repeat_edge: … b a | a b … as Kaldi has it; otherwise … c b | a b c … as torch.stft does.

    Returns:
        (B, left + S + right).
    """
    skipped = 0 if repeat_edge else 1
    size = waveform.shape[1]
    head = waveform[:, skipped : skipped + left].flip(1)  # (B, left)
    if lengths is None:
        tail = waveform[:, size - skipped - right : size - skipped].flip(1)  # (B, right)
        return torch.cat([head, waveform, tail], dim=1)
    extended = torch.cat([head, waveform, waveform.new_zeros(len(waveform), right)], dim=1)
    steps = torch.arange(right, device=waveform.device)
    ends = lengths[:, None]
    tail = waveform.gather(1, ends - skipped - 1 - steps)  # (B, right)
    return extended.scatter_(1, left + ends + steps, tail)


def subtract_mean(feats: Tensor, num_frames: Tensor | None) -> Tensor:
    """Takes its mean over a clip's own frames off each bin; (B, T, F), padding being zero."""
    if num_frames is None:
        return feats - feats.mean(dim=1, keepdim=True)
    return feats - feats.sum(dim=1, keepdim=True) / num_frames[:, None, None]


def zero_padding(feats: Tensor, num_frames: Tensor | None) -> Tensor:
    """Sets the padding frames of (B, T, F) to zero."""
    if num_frames is None:
        return feats
    return feats.masked_fill(~length_keep_mask(num_frames, feats.shape[1])[..., None], 0.0)


def _gain(waveform: Tensor, lengths: Tensor | None) -> Tensor:
    count = waveform.shape[1] if lengths is None else lengths[:, None]
    rms = (waveform.square().sum(dim=1, keepdim=True) / count).sqrt()  # (B, 1)
    return torch.where(rms < SILENCE_RMS, 1.0, TARGET_RMS / rms)
