from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from asclf.edge.windows import Window, average_overlaps, cut_windows


def blocks_of(samples: np.ndarray, size: int) -> Iterator[np.ndarray]:
    for start in range(0, len(samples), size):
        yield samples[start : start + size]


def starts(total: int, length: int, hop: int) -> list[int]:
    blocks = blocks_of(np.arange(total, dtype=np.float32), 3)
    return [window.start for window in cut_windows(blocks, length, hop)]


def test_last_window_ends_with_the_recording() -> None:
    assert starts(10, 4, 3) == [0, 3, 6]
    assert starts(11, 4, 3) == [0, 3, 6, 7]
    assert starts(12, 4, 3) == [0, 3, 6, 8]
    assert starts(4, 4, 3) == [0]


def test_short_recording_is_one_window_as_it_is() -> None:
    (window,) = cut_windows([np.ones(3, np.float32)], 10, 5)
    assert (window.start, window.end) == (0, 3)


@given(st.integers(1, 200), st.integers(1, 40), st.integers(1, 40), st.integers(1, 50), st.data())
def test_windows_and_segments_cover_every_sample(
    total: int, length: int, hop: int, block: int, data: st.DataObject
) -> None:
    hop = min(hop, length)
    recording = np.arange(total, dtype=np.float32)
    windows = list(cut_windows(blocks_of(recording, block), length, hop))
    sums, covers = np.zeros(total), np.zeros(total)
    scored = []
    for window in windows:
        np.testing.assert_array_equal(window.samples, recording[window.start : window.end])
        assert len(window.samples) == min(length, total)
        score = data.draw(st.floats(0, 1))
        sums[window.start : window.end] += score
        covers[window.start : window.end] += 1
        scored.append((window, np.array([score, 1 - score])))
    assert covers.all()
    segments = list(average_overlaps(scored, hop))
    assert [segment.start for segment in segments] == list(range(0, total, hop))
    assert segments[-1].end == total
    for segment in segments:
        heard = slice(segment.start, segment.end)
        expected = sums[heard].sum() / covers[heard].sum()
        np.testing.assert_allclose(segment.scores, [expected, 1 - expected], atol=1e-12)


def test_a_segment_is_given_out_once_no_window_can_reach_it() -> None:
    given_in = 0

    def scored() -> Iterator[tuple[Window, np.ndarray]]:
        nonlocal given_in
        for start in range(0, 1000, 2):
            given_in += 1
            yield Window(start, np.zeros(6, np.float32)), np.ones(1)

    segments = average_overlaps(scored(), 2)
    for number in range(100):
        assert next(segments).start == 2 * number
        assert given_in == number + 2
