"""Scores over time to detections: where each sound begins and ends."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from asclf.edge.windows import Segment
from asclf.errors import ConfigError


@dataclass(frozen=True)
class Detection:
    """A sound that was heard, from `start_s` to `end_s`; `score` is its highest."""

    label: str
    start_s: float
    end_s: float
    score: float


@dataclass(frozen=True, kw_only=True)
class DetectionRule:
    """What makes a detection, in scores and seconds.

    Attributes:
        on: Score that begins a detection.
        off: Score below which it ends; with `off` below `on`, one that wavers stays in one piece.
        min_duration_s: Shorter detections are left out.
        merge_gap_s: Detections of one label that are no further apart are one.

    Raises:
        ConfigError: The numbers cannot be used together.
    """

    on: float = 0.5
    off: float = 0.3
    min_duration_s: float = 0.0
    merge_gap_s: float = 0.0

    def __post_init__(self) -> None:
        if not 0 < self.off <= self.on <= 1:
            raise ConfigError(
                f"detections begin at a score of {self.on:g} and end below {self.off:g}",
                expected="0 < off ≤ on ≤ 1",
            )
        if min(self.min_duration_s, self.merge_gap_s) < 0:
            raise ConfigError("a duration is below 0 s", expected="0 s or more")


def find_detections(
    segments: Iterable[Segment], labels: Sequence[str], sample_rate: int, rule: DetectionRule
) -> list[Detection]:
    """Finds each label's detections in a recording's segments, ordered by their start.

    Merging comes before the shortest duration, so that a sound with short breaks is kept.
    """
    tracks = [_Track(label, rule) for label in labels]
    for segment in segments:
        start_s, end_s = segment.start / sample_rate, segment.end / sample_rate
        sounding = np.array([track.current is not None for track in tracks])
        for i in np.flatnonzero(sounding | (segment.scores >= rule.on)):
            tracks[i].hear(start_s, end_s, float(segment.scores[i]))
    found = (detection for track in tracks for detection in track.finish())
    return sorted(found, key=lambda detection: (detection.start_s, detection.label))


class _Track:
    """One label's detections, as the recording goes on."""

    def __init__(self, label: str, rule: DetectionRule) -> None:
        self.label = label
        self.rule = rule
        self.current: Detection | None = None
        self.ended: list[Detection] = []

    def hear(self, start_s: float, end_s: float, score: float) -> None:
        """Takes in the score of the next segment."""
        if self.current is None:
            if score >= self.rule.on:
                self.current = Detection(self.label, start_s, end_s, score)
        elif score >= self.rule.off:
            highest = max(score, self.current.score)
            self.current = replace(self.current, end_s=end_s, score=highest)
        else:
            self._end(self.current)

    def finish(self) -> Iterator[Detection]:
        """Ends the recording; yields what is long enough."""
        if self.current is not None:
            self._end(self.current)
        for detection in self.ended:
            if detection.end_s - detection.start_s >= self.rule.min_duration_s:
                yield detection

    def _end(self, detection: Detection) -> None:
        last = self.ended[-1] if self.ended else None
        if last and detection.start_s - last.end_s <= self.rule.merge_gap_s:
            highest = max(last.score, detection.score)
            self.ended[-1] = replace(last, end_s=detection.end_s, score=highest)
        else:
            self.ended.append(detection)
        self.current = None
