"""Detects sounds in recordings of any length: windows slide over them as they are decoded.

Memory holds a batch of windows and the detections so far, however long the recording is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from time import perf_counter

import numpy as np

from asclf.audio.stream import stream_audio
from asclf.bundle.activation import activate
from asclf.bundle.prediction import Classifier, check_finite
from asclf.edge.detections import Detection, DetectionRule, find_detections
from asclf.edge.windows import FloatArray, Segment, Window, average_overlaps, cut_windows
from asclf.errors import ConfigError

WINDOWS_AT_ONCE = 8
"""Windows that go through the network in one run."""


@dataclass(frozen=True, kw_only=True)
class WindowPlan:
    """How windows slide: their length and the step between them, in seconds.

    Raises:
        ConfigError: There would be gaps between windows, or windows of no length.
    """

    window_s: float = 5.0
    hop_s: float = 2.5

    def __post_init__(self) -> None:
        if not 0 < self.hop_s <= self.window_s:
            raise ConfigError(
                f"a window of {self.window_s:g} s every {self.hop_s:g} s",
                expected="0 s < hop ≤ window, so that no sound is passed over",
            )

    def samples(self, sample_rate: int) -> tuple[int, int]:
        """Length and hop in samples, at least one each."""
        return max(1, round(self.window_s * sample_rate)), max(1, round(self.hop_s * sample_rate))


@dataclass(frozen=True)
class Detections:
    """What was detected in a recording, and how long that took."""

    recording: str
    duration_s: float
    seconds: float
    found: tuple[Detection, ...]

    @property
    def real_time_factor(self) -> float:
        """Seconds of work for each second of sound."""
        return self.seconds / self.duration_s


def detect(
    classifier: Classifier,
    recording: str | Path,
    plan: WindowPlan | None = None,
    rule: DetectionRule | None = None,
    *,
    on_windows: Callable[[int], None] = lambda _: None,
) -> Detections:
    """Detects the sounds of a recording.

    Where windows overlap, their scores are averaged. A window that the classifier does not know
    counts as a score of 0 for every label.

    Args:
        classifier: A bundle or a checkpoint.
        recording: An audio file of any length; where its end is missing, what is there is used, and
            the log says so.
        plan: How windows slide.
        rule: What makes a detection.
        on_windows: Called with the number of windows done after each batch.

    Raises:
        AudioError: Nothing in the file can be decoded.
        DataError: The logits are not finite.
    """
    start = perf_counter()
    plan, rule = plan or WindowPlan(), rule or DetectionRule()
    length, hop = plan.samples(classifier.sample_rate)
    blocks = stream_audio(Path(recording), classifier.sample_rate)
    scored = _score(classifier, cut_windows(blocks, length, hop), str(recording), on_windows)
    heard = _Heard()
    segments = heard.through(average_overlaps(scored, hop))
    found = find_detections(segments, classifier.labels, classifier.sample_rate, rule)
    duration_s = heard.samples / classifier.sample_rate
    return Detections(str(recording), duration_s, perf_counter() - start, tuple(found))


def _score(
    classifier: Classifier,
    windows: Iterator[Window],
    recording: str,
    on_windows: Callable[[int], None],
) -> Iterator[tuple[Window, FloatArray]]:
    """Each window with its scores (C,), computed a batch at a time."""
    while batch := list(islice(windows, WINDOWS_AT_ONCE)):
        logits = classifier.batch_logits(np.stack([window.samples for window in batch]))
        check_finite(logits, recording)
        scores = activate(logits, classifier.activation)  # (B, C)
        if classifier.unknown is not None:
            scores[classifier.unknown.is_unknown(logits, classifier.activation)] = 0.0
        yield from zip(batch, scores, strict=True)
        on_windows(len(batch))


@dataclass
class _Heard:
    """Notes how far a recording went, while its segments pass through."""

    samples: int = field(default=0, init=False)

    def through(self, segments: Iterable[Segment]) -> Iterator[Segment]:
        for segment in segments:
            self.samples = segment.end
            yield segment
