"""Clips labelled by a model instead of by people, so that a smaller one can learn from them."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from asclf.audio.io import load_audio
from asclf.bundle.prediction import Classifier
from asclf.data.manifest import Clip, read_manifest
from asclf.errors import AudioError, DataError

OnClip = Callable[[int, int], None]
"""Told how many clips are done, and of how many."""

logger = logging.getLogger(__name__)


def read_manifests(paths: Sequence[Path]) -> list[Clip]:
    """The clips of several manifests, in their order.

    Raises:
        DataError: A manifest cannot be used, or two have a clip of the same clip_id.
    """
    first: dict[str, Path] = {}
    clips = []
    for path in paths:
        for clip in read_manifest(path):
            if clip.clip_id in first:
                raise DataError(
                    f"the clip_id {clip.clip_id!r} is in {first[clip.clip_id]} as well",
                    where=path,
                    expected="manifests of different clips",
                )
            first[clip.clip_id] = path
            clips.append(clip)
    return clips


def tag_clips(
    clips: Sequence[Clip],
    classifier: Classifier,
    *,
    threshold: float,
    most: int,
    on_clip: OnClip,
) -> Iterator[Clip]:
    """The clips with the labels that a model hears in them, in the place of their own.

    Folds and splits are left out, since they parted the clips for other labels, and may be those
    of several datasets. A clip that cannot be decoded is named in the log and passed over.

    Args:
        clips: Whatever their labels.
        classifier: Hears each clip whole, at its own sample rate.
        threshold: Least score of a label; the best one is kept whatever its score.
        most: Most labels of a clip.
        on_clip: Told of every clip.
    """
    for number, clip in enumerate(clips, 1):
        labels = _labels(clip, classifier, threshold, most)
        if labels:
            yield replace(clip, labels=labels, fold=None, split=None)
        on_clip(number, len(clips))


def _labels(clip: Clip, classifier: Classifier, threshold: float, most: int) -> tuple[str, ...]:
    """The labels of a clip, best first; none where it cannot be decoded."""
    try:
        waveform = load_audio(
            clip.path,
            classifier.sample_rate,
            start_s=clip.start_s,
            duration_s=clip.duration_s,
            where=clip.clip_id,
        )
    except AudioError as error:
        logger.warning("%s", error)
        return ()
    prediction = classifier.predict(waveform)
    heard = prediction.above(threshold) or prediction.top(1)
    return tuple(name for name, _ in heard[:most])
