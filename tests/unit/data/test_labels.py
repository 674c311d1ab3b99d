from __future__ import annotations

from pathlib import Path

import pytest

from asclf.data.labels import LabelMap
from asclf.data.manifest import Clip
from asclf.errors import DataError


def test_labels_of_clips_are_sorted_and_unique() -> None:
    clips = [
        Clip("a", Path("a.wav"), ("rain", "dog")),
        Clip("b", Path("b.wav"), ("dog",)),
        Clip("c", Path("c.wav"), ("cat",)),
    ]
    labels = LabelMap.from_clips(clips)
    assert labels.names == ("cat", "dog", "rain")
    assert len(labels) == 3
    assert [labels.index(name) for name in labels.names] == [0, 1, 2]


def test_unknown_label_names_the_place_and_the_nearest_label() -> None:
    with pytest.raises(DataError) as caught:
        LabelMap(("cat", "dog")).index("dgo", where="clip 7")
    assert str(caught.value).startswith("clip 7: the label 'dgo'")
    assert "did you mean 'dog'?" in str(caught.value)


def test_unknown_label_without_a_neighbour_lists_what_there_is() -> None:
    with pytest.raises(DataError, match="known: cat, dog"):
        LabelMap(("cat", "dog")).index("thunderstorm")


@pytest.mark.parametrize("names", [(), ("cat", "dog", "cat")])
def test_label_map_refuses_no_names_and_repeated_ones(names: tuple[str, ...]) -> None:
    with pytest.raises(DataError):
        LabelMap(names)
