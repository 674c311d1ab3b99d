"""Teachers: classifiers whose opinion of a clip a smaller one learns from."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from asclf.audio.resample import resample
from asclf.bundle.folder import MANIFEST, MODEL
from asclf.checkpoint import find_checkpoint, load_checkpoint
from asclf.data.labels import LabelMap
from asclf.device import best_device
from asclf.edge.runtime import BundleClassifier
from asclf.errors import CheckpointError


class Teacher(Protocol):
    """What a checkpoint and a bundle have in common."""

    labels: LabelMap
    sample_rate: int
    test_fold: int | None
    """The fold that it was trained without, where it says so."""

    def logits(self, waveform: Tensor) -> Tensor:
        """Waveforms (B, S), of equal lengths, at its sample rate → (B, C) on the CPU."""
        ...


class CheckpointTeacher:
    """A trained checkpoint, with its own front end; on the accelerator where there is one."""

    def __init__(self, path: Path) -> None:
        checkpoint = load_checkpoint(path)
        self.labels = checkpoint.labels
        self.sample_rate = checkpoint.config.sample_rate
        self.test_fold = checkpoint.config.data.test_fold
        self._model = checkpoint.model.to(best_device())

    @torch.inference_mode()
    def logits(self, waveform: Tensor) -> Tensor:
        """As `Teacher.logits`."""
        logits: Tensor = self._model(waveform.to(best_device()))
        return logits.float().cpu()


class BundleTeacher:
    """An exported bundle, on the CPU; it does not say which fold it was trained without."""

    def __init__(self, path: Path) -> None:
        self._classifier = BundleClassifier(path, threads=torch.get_num_threads())
        self.labels = LabelMap(self._classifier.labels)
        self.sample_rate = self._classifier.sample_rate
        self.test_fold: int | None = None

    def logits(self, waveform: Tensor) -> Tensor:
        """As `Teacher.logits`, clip by clip."""
        clips = [self._classifier.logits(clip) for clip in waveform.cpu().numpy()]
        return torch.from_numpy(np.stack(clips))


def find_teacher(path: Path, test_fold: int | None) -> Path:
    """The file of weights that a teacher's path stands for.

    Args:
        path: A checkpoint, a run folder, a bundle, or an experiment's folder.
        test_fold: The fold that the pupil leaves out: of an experiment, the run is taken that
            leaves out the same.

    Raises:
        CheckpointError: There is none.
    """
    if (path / MANIFEST).is_file():
        return path / MODEL
    run = path / ("all" if test_fold is None else f"fold{test_fold}")
    return find_checkpoint(run if run.is_dir() else path)


def load_teacher(weights: Path, pupil_labels: LabelMap) -> Teacher:
    """Loads the teacher whose weights `find_teacher` found.

    Raises:
        CheckpointError: It cannot be read, or does not know every class of its pupil.
        BundleError: The bundle cannot be used.
    """
    is_bundle = (weights.parent / MANIFEST).is_file()
    teacher = BundleTeacher(weights.parent) if is_bundle else CheckpointTeacher(weights)
    unknown = [name for name in pupil_labels.names if name not in teacher.labels.names]
    if unknown:
        raise CheckpointError(
            f"this teacher does not know {len(unknown)} of the classes, {unknown[0]!r} among them",
            where=weights,
            expected="a teacher that was trained on these classes, or on more",
        )
    return teacher


def ask(teacher: Teacher, waveform: Tensor, sample_rate: int, labels: LabelMap) -> Tensor:
    """What a teacher says to clips of equal lengths.

    Args:
        teacher: It hears them at its own sample rate.
        waveform: (B, S) at `sample_rate`.
        sample_rate: In Hz.
        labels: The classes asked for, in their order; the teacher may know more.

    Returns:
        (B, C) logits on the CPU.
    """
    if sample_rate != teacher.sample_rate:
        clips = [resample(clip, sample_rate, teacher.sample_rate) for clip in _numpy(waveform)]
        waveform = torch.from_numpy(np.stack(clips))
    columns = [teacher.labels.index(name) for name in labels.names]
    return teacher.logits(waveform)[:, columns]


def _numpy(waveform: Tensor) -> Sequence[np.ndarray[tuple[int], np.dtype[np.float32]]]:
    return list(waveform.detach().cpu().numpy())
