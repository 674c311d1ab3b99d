from __future__ import annotations

from pathlib import Path

import pytest
import torch

from asclf.data.collate import collate
from asclf.data.labels import LabelMap
from asclf.data.shard_reader import Sample, SampleFacts
from asclf.errors import DataError

LABELS = LabelMap(("cat", "dog", "rain"))


def _sample(clip_id: str, *labels: str) -> Sample:
    return Sample(SampleFacts(clip_id, labels, 3, None, None, None), b"", Path("s.tar"))


def test_equal_lengths_need_no_padding_and_no_lengths() -> None:
    waveforms = [torch.tensor([0.1, 0.2]), torch.tensor([0.3, 0.4])]
    batch = collate([_sample("a", "cat"), _sample("b", "dog")], waveforms, LABELS)
    assert batch.lengths is None
    assert torch.equal(batch.waveform, torch.tensor([[0.1, 0.2], [0.3, 0.4]]))
    assert batch.clip_ids == ("a", "b")


def test_shorter_clips_are_padded_with_zeros_at_the_end() -> None:
    waveforms = [torch.ones(3), torch.ones(1), torch.ones(2)]
    samples = [_sample(name, "cat") for name in "abc"]
    batch = collate(samples, waveforms, LABELS, ["d: broken"])
    assert batch.waveform.tolist() == [[1, 1, 1], [1, 0, 0], [1, 1, 0]]
    assert batch.lengths is not None
    assert batch.lengths.dtype == torch.int64
    assert batch.lengths.tolist() == [3, 1, 2]
    assert batch.skipped == ("d: broken",)


def test_targets_are_one_hot_or_multi_hot() -> None:
    samples = [_sample("a", "dog"), _sample("b", "rain", "cat")]
    batch = collate(samples, [torch.ones(1)] * 2, LABELS)
    assert batch.targets.dtype == torch.float32
    assert batch.targets.tolist() == [[0, 1, 0], [1, 0, 1]]


def test_an_unknown_label_names_the_clip() -> None:
    with pytest.raises(DataError, match=r"s\.tar: clip a: the label 'cow'"):
        collate([_sample("a", "cow")], [torch.ones(1)], LABELS)


def test_a_batch_of_which_nothing_is_left_is_empty() -> None:
    batch = collate([], [], LABELS, ["a: broken"])
    assert (len(batch.waveform), batch.targets.shape, batch.clip_ids) == (0, (0, 3), ())
    assert batch.skipped == ("a: broken",)
