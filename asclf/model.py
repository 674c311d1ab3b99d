"""The classifier: a front end, augmenters, a backbone and a head, and nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Generator, Tensor, nn

from asclf.config import ExperimentConfig
from asclf.protocols import (
    Augmenter,
    Backbone,
    Batch,
    BatchAugmenter,
    ClipAugmenter,
    FeatsAugmenter,
    Frontend,
    Head,
)


class AudioClassifier(nn.Module):
    """Waveforms to logits; augmenters act in training alone.

    Args:
        frontend: (B, S) → feats (B, T, F).
        augmenters: Any mix of clip, batch and feature augmenters, in the order they act.
        backbone: feats → embedding (B, D).
        head: embedding → logits (B, C).
    """

    def __init__(
        self,
        frontend: Frontend,
        augmenters: Sequence[Augmenter],
        backbone: Backbone,
        head: Head,
    ) -> None:
        super().__init__()
        self.frontend = frontend
        self.augmenters = tuple(augmenters)
        self.backbone = backbone
        self.head = head

    @property
    def clip_augmenters(self) -> tuple[ClipAugmenter, ...]:
        """Those that act on single clips, in the data workers."""
        return tuple(a for a in self.augmenters if isinstance(a, ClipAugmenter))

    def forward(self, waveform: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Waveform (B, S), lengths (B,) samples → logits (B, C), without augmentation."""
        return self.classify_feats(*self.frontend(waveform, lengths))

    def classify_feats(self, feats: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Feats (B, T, F), lengths (B,) frames → logits (B, C): the part that is exported."""
        return self.head(self.backbone(feats, lengths))

    def penalty(self) -> Tensor | float:
        """What the backbone adds to the loss in training, ()."""
        penalty = getattr(self.backbone, "penalty", float)
        added: Tensor | float = penalty()
        return added

    def augment_batch(self, batch: Batch, generator: Generator) -> Batch:
        """Applies the batch augmenters, which may mix clips and their targets.

        Args:
            batch: Waveforms, already changed by the clip augmenters.
            generator: On the CPU; every draw comes from it.
        """
        for augmenter in self.augmenters:
            if isinstance(augmenter, BatchAugmenter):
                batch = augmenter.augment_batch(batch, generator)
        return batch

    def training_feats(self, batch: Batch, generator: Generator) -> tuple[Tensor, Tensor | None]:
        """A batch, already augmented → feats (B, T, F), (B,) frames, with their augmenters."""
        feats, lengths = self.frontend(batch.waveform, batch.lengths)
        for augmenter in self.augmenters:
            if isinstance(augmenter, FeatsAugmenter):
                feats = augmenter.augment_feats(feats, lengths, generator)
        return feats, lengths


def build_classifier(config: ExperimentConfig, num_classes: int) -> AudioClassifier:
    """Builds the classifier that a configuration describes, with fresh weights."""
    frontend = config.frontend.build(sample_rate=config.sample_rate)
    backbone = config.backbone.build(feat_dim=frontend.feat_dim)
    head = config.head.build(embed_dim=backbone.embed_dim, num_classes=num_classes)
    augmenters: list[Any] = [
        augmenter.build(sample_rate=config.sample_rate) for augmenter in config.augmenters
    ]
    return AudioClassifier(frontend, augmenters, backbone, head)
