"""Samples to batches: targets, padding."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from asclf.data.labels import LabelMap
from asclf.data.shard_reader import Sample
from asclf.protocols import Batch


def collate(
    samples: Sequence[Sample],
    waveforms: Sequence[Tensor],
    labels: LabelMap,
    skipped: Sequence[str] = (),
) -> Batch:
    """Makes a batch of samples and their waveforms (S,).

    Waveforms that differ in length are padded with zeros at the end; `lengths` is `None` where none
    differs.

    Raises:
        DataError: A clip has a label that is not in the map.
    """
    lengths = torch.tensor([len(waveform) for waveform in waveforms])  # (B,)
    is_padded = len(set(lengths.tolist())) > 1
    return Batch(
        waveform=pad_sequence(list(waveforms), batch_first=True)
        if waveforms
        else torch.empty(0, 0),
        lengths=lengths if is_padded else None,
        targets=_targets(samples, labels),
        clip_ids=tuple(sample.facts.clip_id for sample in samples),
        skipped=tuple(skipped),
    )


def _targets(samples: Sequence[Sample], labels: LabelMap) -> Tensor:
    """1 for each label that a clip has (several may be 1), 0 elsewhere."""
    targets = torch.zeros(len(samples), len(labels))  # (B, C)
    for row, sample in enumerate(samples):
        for label in sample.facts.labels:
            targets[row, labels.index(label, where=sample.where)] = 1.0
    return targets
