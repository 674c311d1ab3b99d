"""Views of clips for test-time augmentation: the same sound, cut or shifted otherwise."""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor


def views_of(waveform: Tensor, count: int, crop_samples: int | None) -> Iterator[Tensor]:
    """Yields `count` views of clips (B, S), in a fixed order; the one view is the clip itself.

    Where the network was trained on crops shorter than the clip, views are such crops, evenly
    spread from its first sample to its last. Otherwise they are the whole clip, rolled by equal
    parts of its length; the first is not rolled.

    Args:
        waveform: Clips of equal length (B, S).
        count: How many views.
        crop_samples: Length of the crops that were trained on, if they were crops.
    """
    S = waveform.shape[1]
    for i in range(count):
        if count > 1 and crop_samples is not None and crop_samples < S:
            start = round(i * (S - crop_samples) / (count - 1))
            yield waveform[:, start : start + crop_samples]
        else:
            yield waveform.roll(i * S // count, dims=1)
