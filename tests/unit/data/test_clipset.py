from __future__ import annotations

from collections import Counter

import pytest
import torch

from asclf.data.clipset import score_batches
from asclf.errors import DataError


def test_every_clip_comes_exactly_once_and_none_is_padded(make_shards) -> None:
    index = make_shards(folds=(1, 2, 3), per_fold=7, samples=(300, 400, 500, 400))
    batches = list(score_batches(index, index.select([1, 3]), batch_size=3))
    counts = Counter(clip_id for batch in batches for clip_id in batch.clip_ids)
    numbers = [*range(7), *range(14, 21)]
    assert counts == {f"c{number}": 1 for number in numbers}
    for batch in batches:
        assert batch.lengths is None
        assert batch.skipped == ()
        assert len(batch.clip_ids) <= 3
        for clip_id in batch.clip_ids:
            length = (300, 400, 500, 400)[int(clip_id[1:]) % 4]
            assert batch.waveform.shape == (len(batch.clip_ids), length)


def test_waveforms_and_targets_belong_to_their_clip_ids(make_shards) -> None:
    index = make_shards(samples=(300, 400))
    for batch in score_batches(index, index.shards, batch_size=4):
        for i, clip_id in enumerate(batch.clip_ids):
            number = int(clip_id[1:])
            assert batch.waveform[i, 0] == pytest.approx(number / 100, abs=1e-4)
            assert batch.targets[i].tolist() == [float(number % 3 == k) for k in range(3)]


def test_the_order_does_not_change(make_shards) -> None:
    index = make_shards(samples=(300, 400, 500))
    first, second = (list(score_batches(index, index.shards, batch_size=2)) for _ in range(2))
    assert [batch.clip_ids for batch in first] == [batch.clip_ids for batch in second]
    assert all(torch.equal(a.waveform, b.waveform) for a, b in zip(first, second, strict=True))


def test_batches_are_as_full_as_the_lengths_allow(make_shards) -> None:
    index = make_shards(folds=(1,), per_fold=10, samples=(300, 400))
    sizes = [len(batch.clip_ids) for batch in score_batches(index, index.shards, batch_size=4)]
    assert sorted(sizes) == [1, 1, 4, 4]


def test_a_clip_that_cannot_be_decoded_stops_the_scoring(make_shards, damage_flac) -> None:
    index = make_shards()
    name = damage_flac(index, index.shards[1], 1)
    with pytest.raises(DataError) as caught:
        list(score_batches(index, index.shards, batch_size=2))
    assert str(caught.value.where).endswith(f"{index.shards[1].name}: clip {name}")
    assert "cannot be scored" in caught.value.what


def test_a_label_that_the_index_does_not_know_is_an_error(make_shards, relabel) -> None:
    index = relabel(make_shards(), ("cat", "dig", "rain"))
    with pytest.raises(DataError) as caught:
        list(score_batches(index, index.shards, batch_size=2))
    assert "the label 'dog' is not one of the 3 labels" in caught.value.what
    assert "did you mean 'dig'?" in caught.value.hint
    assert ".tar: clip c" in str(caught.value.where)
