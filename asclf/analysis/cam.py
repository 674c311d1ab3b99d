"""Where a network looks in a clip (the SpectroMaskNet paper's Fig. 6), and whether that is so."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from asclf.analysis.attention import AXES, Attention, attention_maps
from asclf.analysis.faithfulness import (
    RANDOM_ORDERS,
    Faithfulness,
    FloatArray,
    at_random,
    by_relevance,
)
from asclf.analysis.figure import Map, write_map, write_table
from asclf.analysis.relevance import grad_cams
from asclf.analysis.study import Study, Subject
from asclf.bundle.activation import activate
from asclf.checkpoint import Checkpoint

CURVES = ("order", "share", "deletion", "insertion")
AREAS = ("order", "deletion_area", "insertion_area")
WEIGHTS = ("module", "axis", "position", "weight")
TOGETHER = "both"
"""The sum of what the parts of a network say."""


@dataclass(frozen=True)
class Look:
    """Where a network looked in a clip.

    Attributes:
        clip: The clip.
        feature: Name of the front end.
        feats: (T, F).
        predicted: The class that it gave, which all the rest is about.
        probability: Of that class.
        relevance: (T, F) by part of the network, and of `both` where there are two; not rectified.
        faithfulness: Of each of them.
        random: The same for random orders.
        attention: Weights of the global modules; empty where there are none.
    """

    clip: Subject
    feature: str
    feats: Map
    predicted: str
    probability: float
    relevance: Mapping[str, Map]
    faithfulness: Mapping[str, Faithfulness]
    random: Sequence[Faithfulness]
    attention: Sequence[Attention]


def look(checkpoint: Checkpoint, clip: Subject, draws: int = RANDOM_ORDERS) -> Look:
    """Looks into a network while it classifies a clip, and compares with so many random orders.

    Raises:
        DataError: The network has no feature maps of time and frequency.
    """
    model = checkpoint.model
    with torch.no_grad():
        feats, _ = model.frontend(torch.from_numpy(clip.waveform).unsqueeze(0))  # (1, T, F)
    scores = _scores(checkpoint, feats)[0]
    target = int(scores.argmax())

    def probability(batch: Tensor) -> FloatArray:
        return _scores(checkpoint, batch)[:, target]

    relevance = with_sum(grad_cams(model, feats, target))
    return Look(
        clip=clip,
        feature=checkpoint.config.frontend.entry.name,
        feats=feats[0].numpy(),
        predicted=checkpoint.labels.names[target],
        probability=float(scores[target]),
        relevance=relevance,
        faithfulness={k: by_relevance(probability, feats[0], m) for k, m in relevance.items()},
        random=at_random(probability, feats[0], draws),
        attention=attention_maps(model.backbone, feats),
    )


def with_sum(relevance: Mapping[str, Map]) -> dict[str, Map]:
    """The relevance of parts, and their sum where there are several."""
    if len(relevance) == 1:
        return dict(relevance)
    return {**relevance, TOGETHER: np.sum(list(relevance.values()), axis=0)}


def write_tables(found: Look, study: Study) -> tuple[str, ...]:
    """Writes maps, curves, areas and attention as CSV; returns the names of the files."""
    seconds = found.clip.duration_s
    maps = {"feats": found.feats, **found.relevance}
    names = [write_map(study.out / f"cam_{k}.csv", values, seconds) for k, values in maps.items()]
    names.append(write_table(study.out / "cam_curves.csv", CURVES, _curves(found)))
    names.append(write_table(study.out / "cam_areas.csv", AREAS, areas(found)))
    if found.attention:
        names.append(write_table(study.out / "cam_attention.csv", WEIGHTS, _weights(found)))
    return tuple(names)


def areas(found: Look) -> Iterator[tuple[str, float, float]]:
    """The order, its deletion area and its insertion area; each random order by itself."""
    for order, each in _orders(found):
        yield order, each.deletion_area, each.insertion_area


def _orders(found: Look) -> Iterator[tuple[str, Faithfulness]]:
    yield from found.faithfulness.items()
    for number, each in enumerate(found.random, 1):
        yield f"random {number}", each


def _curves(found: Look) -> Iterator[tuple[str, float, float, float]]:
    for order, each in _orders(found):
        for values in zip(each.shares, each.deletion, each.insertion, strict=True):
            share, deletion, insertion = map(float, values)
            yield order, share, deletion, insertion


def _weights(found: Look) -> Iterator[tuple[str, str, int, float]]:
    for each in found.attention:
        for axis in AXES:
            for position, weight in enumerate(getattr(each, axis).tolist()):
                yield each.module, axis, position, weight


def _scores(checkpoint: Checkpoint, feats: Tensor) -> FloatArray:
    """Feats (N, T, F) → scores (N, C)."""
    with torch.no_grad():
        logits = checkpoint.model.classify_feats(feats)
    return activate(logits.numpy(), checkpoint.activation)
