from __future__ import annotations

import torch

from asclf.score.views import views_of

CLIPS = torch.arange(20.0).reshape(2, 10)  # (B, S)


def test_the_one_view_is_the_clip_as_it_is() -> None:
    for crop in (None, 4):
        (view,) = views_of(CLIPS, 1, crop)
        assert torch.equal(view, CLIPS)


def test_crops_reach_from_the_first_sample_to_the_last() -> None:
    views = list(views_of(CLIPS, 3, 4))
    assert [view[0].tolist() for view in views] == [[0, 1, 2, 3], [3, 4, 5, 6], [6, 7, 8, 9]]
    assert all(torch.equal(view[1], view[0] + 10) for view in views)


def test_whole_clips_are_rolled_by_equal_parts() -> None:
    for crop in (None, 10, 99):
        views = list(views_of(CLIPS, 4, crop))
        assert torch.equal(views[0], CLIPS)
        assert [int(view[0, 0]) for view in views] == [0, 8, 5, 3]
