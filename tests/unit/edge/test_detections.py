from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from asclf.edge.detections import Detection, DetectionRule, find_detections
from asclf.edge.windows import Segment
from asclf.errors import ConfigError


def detect(*scores: Sequence[float], **rule: float) -> list[Detection]:
    """Detections in seconds: of one label a row, a segment a column, each a second long."""
    columns = np.array(scores).T
    segments = [Segment(10 * i, 10 * (i + 1), column) for i, column in enumerate(columns)]
    return find_detections(segments, "abc"[: len(scores)], 10, DetectionRule(**rule))


def test_a_detection_begins_at_on_and_ends_below_off() -> None:
    assert detect([0.4, 0.5, 0.9, 0.3, 0.29, 0.4]) == [Detection("a", 1.0, 4.0, 0.9)]


def test_without_hysteresis_a_wavering_sound_falls_apart() -> None:
    wavering = [0.6, 0.4, 0.6]
    assert len(detect(wavering)) == 1
    assert [found.start_s for found in detect(wavering, off=0.5)] == [0.0, 2.0]


def test_short_gaps_are_bridged_and_long_ones_are_not() -> None:
    scores = [0.6, 0.0, 0.8, 0.0, 0.0, 0.7]
    assert detect(scores, merge_gap_s=1.0) == [
        Detection("a", 0.0, 3.0, 0.8),
        Detection("a", 5.0, 6.0, 0.7),
    ]


def test_short_detections_are_left_out_after_merging() -> None:
    scores = [0.6, 0.0, 0.8, 0.0, 0.0, 0.7]
    assert detect(scores, min_duration_s=1.5) == []
    (found,) = detect(scores, min_duration_s=1.5, merge_gap_s=1.0)
    assert (found.start_s, found.end_s) == (0.0, 3.0)


def test_labels_are_followed_each_for_itself_and_ordered_by_start() -> None:
    found = detect([0.0, 0.0, 0.9], [0.0, 0.9, 0.9], [0.0, 0.0, 0.9])
    assert [(each.label, each.start_s) for each in found] == [("b", 1.0), ("a", 2.0), ("c", 2.0)]


@pytest.mark.parametrize(
    "rule",
    [{"on": 0.4, "off": 0.5}, {"off": 0.0}, {"on": 1.1}, {"merge_gap_s": -1.0}],
)
def test_rules_that_contradict_themselves_are_refused(rule: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match="expected 0"):
        DetectionRule(**rule)
