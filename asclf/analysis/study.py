"""What figures are drawn from: an experiment, one of its runs, and the clip that is looked at."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from asclf.audio.io import load_audio, probe
from asclf.data.shard_facts import read_facts
from asclf.data.shard_index import ShardIndex, ShardInfo
from asclf.data.shard_reader import Sample, read_samples
from asclf.data.splits import part_shards
from asclf.errors import DataError
from asclf.score.experiment import open_shards
from asclf.score.runs import Run, find_runs, read_run

LONGEST_CLIP_S = 30.0
"""More of a file is not looked at."""


@dataclass(frozen=True)
class Subject:
    """The clip that figures look at.

    Attributes:
        name: Its clip_id, or the name of its file.
        waveform: (S,) in [−1, 1].
        sample_rate: In Hz.
        labels: What is heard in it, where that is known.
    """

    name: str
    waveform: NDArray[np.float32]
    sample_rate: int
    labels: tuple[str, ...] = ()

    @property
    def duration_s(self) -> float:
        """Its length."""
        return len(self.waveform) / self.sample_rate

    @property
    def title(self) -> str:
        """Its name, and what is heard in it."""
        heard = ", ".join(label.replace("_", " ") for label in self.labels)
        return f"{self.name} ({heard})" if heard else self.name


@dataclass(frozen=True)
class Study:
    """An experiment, and what of it is looked at; everything is read when it is first wanted.

    Attributes:
        exp: The experiment's folder.
        out: Where figures go.
        fold: The fold whose run is looked at; `None` takes the first that is finished.
        clip: An audio file, or a clip_id; `None` takes the first clip that the run never saw.
        recipes: Folders of recipes, whose stored scores are compared.
        models: A JSON file with the size and latency of models.
        clips: On how many clips relevance is tested.
    """

    exp: Path
    out: Path
    fold: int | None = None
    clip: str | None = None
    recipes: tuple[Path, ...] = ()
    models: Path | None = None
    clips: int = 0

    @cached_property
    def run(self) -> Run:
        """The run that is looked at, with its model.

        Raises:
            CheckpointError: It is not finished.
        """
        folds = None if self.fold is None else [self.fold]
        return read_run(find_runs(self.exp, folds)[0])

    @cached_property
    def index(self) -> ShardIndex:
        """The shards that it was trained on.

        Raises:
            DataError: They are gone, or others are in their place.
        """
        return open_shards(self.run)

    @cached_property
    def subject(self) -> Subject:
        """The clip that is looked at.

        Raises:
            DataError: There is no such file, and no such clip in the shards.
        """
        sample_rate = self.run.checkpoint.config.sample_rate
        path = None if self.clip is None else Path(self.clip)
        if path is not None and path.is_file():
            length = min(probe(path).duration_s, LONGEST_CLIP_S)
            return Subject(path.name, load_audio(path, sample_rate, duration_s=length), sample_rate)
        sample = next(self._samples(), None)
        if sample is None:
            what = "there is no such audio file, and no such clip in the shards"
            raise DataError(what, where=self.clip or self.index.folder)
        return _subject_of(sample, sample_rate)

    def unseen(self) -> Iterator[Subject]:
        """`clips` of those that the run never saw, evenly spaced; all where there are fewer.

        Raises:
            DataError: It saw every one.
        """
        names = [clip.clip_id for shard in self._unseen for clip in read_facts(self.index, shard)]
        if not names:
            raise DataError("this run saw every clip", where=self.run.folder)
        count = min(self.clips, len(names))
        chosen = {names[number * len(names) // count] for number in range(count)}
        for shard in self._unseen:
            for sample in read_samples(self.index, shard):
                if sample.facts.clip_id in chosen:
                    yield _subject_of(sample, self.run.checkpoint.config.sample_rate)

    def _samples(self) -> Iterator[Sample]:
        """The clips that were asked for, those that the run never saw first."""
        seen = (shard for shard in self.index.shards if shard not in self._unseen)
        for shard in (*self._unseen, *seen):
            for sample in read_samples(self.index, shard):
                if self.clip in (None, sample.facts.clip_id):
                    yield sample

    @cached_property
    def _unseen(self) -> tuple[ShardInfo, ...]:
        protocol = self.run.checkpoint.config.data.protocol
        return part_shards(self.index, self.run.fold, protocol).test


def _subject_of(sample: Sample, sample_rate: int) -> Subject:
    facts = sample.facts
    return Subject(facts.clip_id, sample.decode(sample_rate), sample_rate, facts.labels)
