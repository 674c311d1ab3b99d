from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from asclf.data.sampling import Balance, Rotation

SIZES = {"cat": 40, "dog": 7, "rain": 3}
LABELS = [(label,) for label, size in SIZES.items() for _ in range(size)]


def occurrences(balance: Balance, labels: list[tuple[str, ...]], epoch: int) -> Counter[str]:
    """How often each label occurs in an epoch."""
    counts: Counter[str] = Counter()
    for of_clip, times in zip(labels, balance.counts(epoch).tolist(), strict=True):
        counts.update(dict.fromkeys(of_clip, times))
    return counts


@pytest.mark.parametrize("total", [48, 50, 1, 500])
def test_every_class_occurs_equally_often(total: int) -> None:
    balance = Balance(LABELS, total=total, seed=0)
    for epoch in range(20):
        found = occurrences(balance, LABELS, epoch)
        assert sum(found.values()) == total
        assert all(abs(found[label] - total / 3) < 1 for label in SIZES)


def test_each_clip_occurs_as_often_as_the_others_of_its_class() -> None:
    balance = Balance(LABELS, total=48, seed=0)
    epochs = np.stack([balance.counts(epoch) for epoch in range(400)])
    wanted = np.array([16 / SIZES[label] for (label,) in LABELS])
    assert (np.abs(epochs - wanted) < 1).all()
    deviation = np.sqrt(wanted % 1 * (1 - wanted % 1) / 400)
    assert (np.abs(epochs.mean(0) - wanted) <= 4.5 * deviation + 1e-9).all()


def test_an_epoch_is_a_function_of_seed_and_number() -> None:
    first = Balance(LABELS, total=48, seed=0)
    assert (first.counts(3) == Balance(LABELS, total=48, seed=0).counts(3)).all()
    assert (first.counts(3) != first.counts(4)).any()
    assert (first.counts(3) != Balance(LABELS, total=48, seed=1).counts(3)).any()


def test_of_several_labels_the_rarest_decides() -> None:
    labels = [*LABELS, ("cat", "rain"), ("dog", "cat")]  # 42 cats, 8 dogs, 4 times rain
    balance = Balance(labels, total=54, seed=0)
    assert balance.wanted[-2] == pytest.approx(balance.wanted[LABELS.index(("rain",))])
    assert balance.wanted[-1] == pytest.approx(balance.wanted[LABELS.index(("dog",))])
    mean = sum((occurrences(balance, labels, epoch) for epoch in range(50)), Counter())
    assert mean["cat"] > mean["dog"] * 1.2  # it comes along with both
    assert mean["dog"] == pytest.approx(mean["rain"], rel=0.1)


def test_clips_without_a_label_count_as_a_class() -> None:
    labels = [("cat",)] * 6 + [()] * 2
    counts = Balance(labels, total=8, seed=0).counts(0)
    assert counts[:6].sum() == counts[6:].sum() == 4


def test_a_remainder_rotates_through_all_clips() -> None:
    rotation = Rotation(clips=7, total=5)
    epochs = np.stack([rotation.counts(epoch) for epoch in range(7)])
    assert (epochs.sum(1) == 5).all()
    assert (epochs.sum(0) == 5).all()
    assert (Rotation(clips=4, total=4).counts(9) == 1).all()
