from __future__ import annotations

from collections import Counter, defaultdict

from hypothesis import given
from hypothesis import strategies as st

from asclf.data.grouping import deal_folds, groups_by_class, join, pairs_of_equal


def test_what_is_paired_over_others_is_one_group() -> None:
    assert join(6, [(4, 2), (1, 4), (5, 0)]) == [0, 1, 1, 3, 1, 0]
    assert join(3, []) == [0, 1, 2]


def test_equal_keys_are_paired_and_none_is_like_nothing() -> None:
    assert pairs_of_equal(["a", None, "b", "a", None, "a"]) == [(0, 3), (0, 5)]


@given(
    st.lists(st.tuples(st.integers(0, 9), st.sampled_from("abc")), min_size=1, max_size=60),
    st.integers(2, 5),
)
def test_no_group_is_parted(items: list[tuple[int, str]], num_folds: int) -> None:
    groups, labels = [group for group, _ in items], [label for _, label in items]
    folds = deal_folds(groups, labels, num_folds)
    homes = defaultdict(set)
    for group, fold in zip(groups, folds, strict=True):
        homes[group].add(fold)
        assert 1 <= fold <= num_folds
    assert all(len(places) == 1 for places in homes.values())


def test_folds_have_their_share_of_every_class() -> None:
    labels = ["dog"] * 100 + ["rain"] * 50 + ["owl"] * 10
    folds = deal_folds(list(range(160)), labels, 5)
    counts = Counter(zip(labels, folds, strict=True))
    assert {counts["dog", fold] for fold in range(1, 6)} == {20}
    assert {counts["rain", fold] for fold in range(1, 6)} == {10}
    assert {counts["owl", fold] for fold in range(1, 6)} == {2}


def test_a_large_group_is_made_up_for_by_the_others() -> None:
    groups = [0] * 20 + list(range(20, 100))
    counts = Counter(deal_folds(groups, ["dog"] * 100, 5))
    assert set(counts.values()) == {20}


def test_groups_are_counted_by_class() -> None:
    assert groups_by_class([0, 0, 1, 1], ["b", "b", "b", "a"]) == {"a": 1, "b": 2}
