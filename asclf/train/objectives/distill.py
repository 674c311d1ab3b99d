"""Learning from a teacher's opinion of the clips, beside their labels."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, PositiveFloat
from torch import Tensor, cat, nn
from torch.nn import functional

from asclf.config import component_config
from asclf.data.shard_index import ShardIndex
from asclf.data.training_set import TrainingSet
from asclf.errors import CheckpointError, ConfigError, DataError
from asclf.files import sha256_of
from asclf.protocols import Batch, Loss
from asclf.registry import OBJECTIVES
from asclf.train.stored_logits import StoredLogits, teach
from asclf.train.teacher import Teacher, ask, find_teacher, load_teacher


@component_config
class DistillConfig:
    """Options of `distill`."""

    teacher: str | None = None
    """A checkpoint, a run folder or a bundle; or an experiment's folder, of which the run that
    leaves out the same fold is taken."""
    logits: Literal["stored", "live"] = "stored"
    """`stored`: the teacher hears each whole clip once, and its logits are kept beside the shards.
    `live`: it hears what the pupil hears, cropped, augmented and mixed, in every step."""
    teacher_shards: str | None = None
    """For `stored`: shards of the same clips that the teacher hears, such as ones at its own sample
    rate; `null` takes those of the pupil."""
    temperature: PositiveFloat = 2.0
    """Divides both sides' logits: a higher one shows more of what the teacher holds unlikely."""
    weight: Annotated[float, Field(ge=0, le=1)] = 0.9
    """The teacher's part of the loss; the rest is that of the labels."""
    independent: bool = False
    """Says that the teacher never heard the clips of the fold that is left out, where it was not
    trained with that same fold left out."""


@OBJECTIVES.register("distill", DistillConfig)
class Distill(nn.Module):
    """`weight · T² · KL(teacher ‖ pupil) + (1 − weight) · loss`, both softened by T.

    Source: Hinton et al. (arXiv 1503.02531), section 2. Where the loss is multi-label, the
    divergence is that of each class's two outcomes, the mean over the classes. Stored logits are
    mixed by mixup and cutmix as the targets are; a live teacher hears the mixed clips themselves
    (Beyer et al., arXiv 2106.05237).

    Args:
        config: The teacher, and how it is listened to.
        loss: Logits and targets to one number.
        data: What the run trains on.

    Raises:
        ConfigError: No teacher is named.
        CheckpointError: The teacher cannot be used, or knows the fold that is left out.
    """

    def __init__(self, config: DistillConfig, *, loss: Loss, data: TrainingSet) -> None:
        super().__init__()
        self.config = config
        self.loss = loss
        self.data = data
        self.multi_label = bool(getattr(loss, "multi_label", False))
        weights = teacher_weights(config, data.test_fold)
        teacher = load_teacher(weights, data.labels)
        check_independent(teacher, weights, config, data.test_fold)
        self._live = teacher if config.logits == "live" else None
        self._stored = None if self._live else self._teach(weights)

    @staticmethod
    def facts(config: DistillConfig, test_fold: int | None) -> dict[str, str]:
        """The teacher's hash: a run goes on with the same one alone."""
        return {"teacher_sha256": sha256_of(teacher_weights(config, test_fold))}

    def prepare(self, batch: Batch) -> Batch:
        """Lays the stored opinion of its clips beside a batch."""
        if self._stored is None:
            return batch
        return replace(batch, soft_targets=self._soften(self._stored.of(batch.clip_ids)))

    def forward(self, logits: Tensor, batch: Batch) -> Tensor:
        """Logits (B, C) of a batch → (), the mean over its clips."""
        soft = batch.soft_targets
        if soft is None:
            soft = self._soften(self._listen(batch)).to(logits.device)
        T, weight = self.config.temperature, self.config.weight
        return weight * T**2 * self._divergence(soft, logits / T) + (1 - weight) * self.loss(
            logits, batch.targets
        )

    def _teach(self, weights: Path) -> StoredLogits:
        if self.config.teacher_shards is None:
            return teach(weights, self.data.labels, self.data.index, self.data.shards)
        index = ShardIndex.load(Path(self.config.teacher_shards))
        folds = {shard.fold for shard in self.data.shards}
        splits = {shard.split for shard in self.data.shards}
        shards = [s for s in index.shards if s.fold in folds and s.split in splits]
        if not shards:
            raise DataError("no shard of the teacher's is of these folds", where=index.folder)
        return teach(weights, self.data.labels, index, shards)

    def _listen(self, batch: Batch) -> Tensor:
        """The live teacher's logits (B, C); clips of unequal lengths are heard one by one."""
        assert self._live is not None
        rate, labels = self.data.sample_rate, self.data.labels
        if batch.lengths is None:
            return ask(self._live, batch.waveform, rate, labels)
        clips = [clip[:n] for clip, n in zip(batch.waveform, batch.lengths.tolist(), strict=True)]
        return cat([ask(self._live, clip.unsqueeze(0), rate, labels) for clip in clips])  # (B, C)

    def _soften(self, logits: Tensor) -> Tensor:
        """Logits → probabilities at the temperature, of the same shape."""
        soft = logits / self.config.temperature
        return soft.sigmoid() if self.multi_label else soft.softmax(1)

    def _divergence(self, soft: Tensor, logits: Tensor) -> Tensor:
        """Of the pupil's logits (B, C), already divided, from probabilities (B, C) → ()."""
        if not self.multi_label:
            return functional.kl_div(logits.log_softmax(1), soft, reduction="batchmean")
        own = functional.binary_cross_entropy(soft, soft)
        return functional.binary_cross_entropy_with_logits(logits, soft) - own


def teacher_weights(config: DistillConfig, test_fold: int | None) -> Path:
    """The file of the teacher's weights.

    Raises:
        ConfigError: No teacher is named.
        CheckpointError: There is none where it is named.
    """
    if config.teacher is None:
        raise ConfigError(
            "`objective.teacher` is not set",
            expected="a checkpoint, a run folder, an experiment's folder or a bundle",
            hint="add objective.teacher=PATH to the command",
        )
    return find_teacher(Path(config.teacher), test_fold)


def check_independent(
    teacher: Teacher, weights: Path, config: DistillConfig, test_fold: int | None
) -> None:
    """Makes sure that the teacher was trained without the fold that its pupil is scored on.

    Raises:
        CheckpointError: It was not, or does not say so.
    """
    if config.independent or test_fold is None or teacher.test_fold == test_fold:
        return
    heard = "all folds" if teacher.test_fold is None else f"all folds but {teacher.test_fold}"
    raise CheckpointError(
        f"this teacher may have heard fold {test_fold}: it was trained on {heard}",
        where=weights,
        expected=f"a teacher that left fold {test_fold} out, as its pupil does",
        hint="name the experiment's folder, so that each fold gets its own teacher; "
        "objective.independent=true says that it was trained on other clips",
    )
