"""Recordings that augmenters draw from: the files of a folder, or the clips of its shards."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path

import torch
from torch import Generator, Tensor

from asclf.audio.folder import find_recordings
from asclf.audio.io import load_audio, probe
from asclf.augmenters._draw import uniform, whole_number
from asclf.data.shard_access import StoredClip, stored_clips
from asclf.data.shard_index import INDEX, ShardIndex
from asclf.errors import DataError

MARGIN_S = 0.001
"""Read beyond a stretch, since its ends are rounded at two sample rates."""


class Recordings:
    """What a folder holds: audio files, at any depth, or shards that `asclf shard` wrote.

    The folder is looked into when something is first drawn, since a model is also loaded where it
    is not trained, and its folder is absent.

    Args:
        folder: Of audio files, or of shards.
        sample_rate: In Hz, at which recordings are given.
    """

    def __init__(self, folder: Path, *, sample_rate: int) -> None:
        self.folder = folder
        self.sample_rate = sample_rate

    def draw(self, generator: Generator) -> tuple[Tensor, str]:
        """One whole recording (S,), each as likely, and its name for messages.

        Raises:
            DataError: There is no recording, or the one that is drawn cannot be decoded.
        """
        source, name = self._draw(generator)
        return torch.from_numpy(load_audio(source, self.sample_rate, where=name)), name

    def draw_stretch(self, samples: int, generator: Generator) -> Tensor:
        """(samples,) from a random place of one recording; a shorter one is repeated.

        Raises:
            DataError: There is no recording, or the one that is drawn cannot be decoded.
        """
        source, name = self._draw(generator)
        wanted_s = samples / self.sample_rate + MARGIN_S
        spare_s = probe(source, where=name).duration_s - wanted_s
        if spare_s <= 0:
            whole = load_audio(source, self.sample_rate, where=name)
            return _repeat(torch.from_numpy(whole), samples, generator)
        start_s = uniform((0.0, spare_s), generator)
        stretch = load_audio(
            source, self.sample_rate, start_s=start_s, duration_s=wanted_s, where=name
        )
        return torch.from_numpy(stretch)[:samples]

    def _draw(self, generator: Generator) -> tuple[Path | bytes, str]:
        """A recording, and its name."""
        recording = self._found[whole_number(0, len(self._found) - 1, generator)]
        if isinstance(recording, Path):
            return recording, str(recording)
        return recording.read(), recording.where

    @cached_property
    def _found(self) -> list[Path] | list[StoredClip]:
        if not (self.folder / INDEX).exists():
            return find_recordings(self.folder)
        index = ShardIndex.load(self.folder)
        for shard in index.shards:
            if shard.fold is not None or shard.split is not None:
                raise DataError(
                    "the clips of these shards belong to folds or splits, which may be scored",
                    where=index.path(shard),
                    expected="shards of clips that are only drawn from",
                    hint="write them from a manifest without `fold` and `split`",
                )
        return [clip for shard in index.shards for clip in stored_clips(index, shard)]


def _repeat(waveform: Tensor, samples: int, generator: Generator) -> Tensor:
    """(S,) → (samples,), over and over from a random place on."""
    start = whole_number(0, len(waveform) - 1, generator)
    place = (start + torch.arange(samples)) % len(waveform)
    return waveform[place]
