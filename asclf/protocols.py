"""What the parts of a classifier promise one another; the lowest layer that imports torch.

    waveform (B, S) ─frontend→ feats (B, T, F) ─backbone→ embedding (B, D) ─head→ logits (B, C)

`lengths` (B,) int64 counts the valid samples (or frames) of each clip from the left; the rest is
padding. `None` means that nothing is padded, and every part then takes its faster, unmasked path.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal, Protocol, runtime_checkable

from torch import Generator, Tensor

LengthsPolicy = Literal["masked", "equal", "fixed"]


@dataclass(frozen=True)
class Batch:
    """Clips that go through the network together.

    Attributes:
        waveform: (B, S) float32 in [−1, 1].
        lengths: (B,) int64 valid samples, or `None` where no clip is padded.
        targets: (B, C) float32, one-hot, multi-hot, or mixed; rows sum to 1 for single labels.
        clip_ids: The B clips, for messages and scores.
        skipped: Clips that should have been here and could not be decoded, each with its reason.
        soft_targets: (B, C) float32, what a teacher thinks of the clips; mixed as targets are.
    """

    waveform: Tensor
    lengths: Tensor | None
    targets: Tensor
    clip_ids: tuple[str, ...]
    skipped: tuple[str, ...] = ()
    soft_targets: Tensor | None = None

    def to(self, device: Any) -> Batch:
        """The batch with its tensors on another device."""
        return replace(
            self,
            waveform=self.waveform.to(device, non_blocking=True),
            lengths=_moved(self.lengths, device),
            targets=self.targets.to(device, non_blocking=True),
            soft_targets=_moved(self.soft_targets, device),
        )

    def with_mixed_targets(self, mix: Callable[[Tensor], Tensor]) -> Batch:
        """The batch with targets and soft targets (B, C) mixed alike."""
        soft = None if self.soft_targets is None else mix(self.soft_targets)
        return replace(self, targets=mix(self.targets), soft_targets=soft)


def _moved(tensor: Tensor | None, device: Any) -> Tensor | None:
    return None if tensor is None else tensor.to(device, non_blocking=True)


@runtime_checkable
class Frontend(Protocol):
    """Waveforms to features; built with `sample_rate` (Hz)."""

    feat_dim: int

    def __call__(
        self, waveform: Tensor, lengths: Tensor | None = None
    ) -> tuple[Tensor, Tensor | None]:
        """(B, S), (B,) samples → feats (B, T, F), (B,) frames (`None` where `lengths` is)."""
        ...

    def describe(self) -> dict[str, Any]:
        """The front-end description that travels with checkpoint and bundle: plain values."""
        ...


@runtime_checkable
class Backbone(Protocol):
    """Features to one embedding a clip; built with `feat_dim`.

    `lengths_policy` is `masked` where padding never changes a clip's embedding, `equal` where a
    batch may only hold clips of equal length, and `fixed` where the network has room for a fixed
    number of frames and fits every clip to it (see `FixedBackbone`). `paper` names the source of
    the architecture.
    Randomness inside (dropout, masks) comes from torch's global generator, as nn.Dropout's does;
    the training loop seeds it at each step.

    It may name the bins it is usually built for, `usual_feat_dim` (80 where it does not), and the
    implementation it is held to, `reference`. It may have `monitored() -> dict[str, float]`,
    numbers of its own that are logged each epoch, and `penalty() -> Tensor`, added to the loss.
    With `recomputable() -> Sequence[nn.Module]` it names blocks, of tensors in and one out, that
    may be computed again in the backward pass; with `blocks_by_depth() ->
    Sequence[Sequence[nn.Module]]` those that lie side by side, where its parts do not follow one
    another as they are declared.
    """

    embed_dim: int
    lengths_policy: LengthsPolicy
    paper: str

    def __call__(self, feats: Tensor, lengths: Tensor | None = None) -> Tensor:
        """feats (B, T, F), (B,) frames → embedding (B, D)."""
        ...


@runtime_checkable
class FixedBackbone(Backbone, Protocol):
    """A backbone of the policy `fixed`: it hears `num_frames` frames of every clip.

    Of a longer clip these are the middle ones, with the odd frame left out at the end; a shorter
    one is repeated from its start. Padding is never among them. Fitting is part of the network, and
    so of what is exported: a runtime needs to know nothing of it.
    """

    num_frames: int


@runtime_checkable
class Head(Protocol):
    """Embeddings to logits; built with `embed_dim` and `num_classes`."""

    def __call__(self, embedding: Tensor) -> Tensor:
        """(B, D) → logits (B, C)."""
        ...


@runtime_checkable
class Loss(Protocol):
    """Logits and targets to one number; built with `num_classes`.

    One that takes each class for itself says so with a class attribute, `multi_label = True`: a
    clip may then have several labels or none, and scores are σ(logits) in place of their softmax.
    One that is made for logits of a kind may have `check_head(head) -> None`, which raises a
    ConfigError where a head gives others.
    """

    def __call__(self, logits: Tensor, targets: Tensor) -> Tensor:
        """(B, C), (B, C) → () mean over the batch."""
        ...


@runtime_checkable
class Objective(Protocol):
    """What training minimises; built with `loss` and `data`, an `asclf.data.TrainingSet`.

    It may have `prepare(batch) -> Batch`, called before the batch augmenters, to lay soft targets
    beside the targets of the clips, and a static `facts(config, test_fold) -> dict[str, str]`: the
    files that it learns from, by their hashes, so that a run goes on from the same ones alone.
    """

    def __call__(self, logits: Tensor, batch: Batch) -> Tensor:
        """(B, C) logits of the network for a batch → () mean over the batch."""
        ...


@runtime_checkable
class ClipAugmenter(Protocol):
    """Changes one training clip, before it is cropped; runs in the data workers.

    Built with `sample_rate` (Hz), as every augmenter is.
    """

    def augment_clip(self, waveform: Tensor, generator: Generator) -> Tensor:
        """(S,) → (S',); every random draw is taken from `generator`."""
        ...


@runtime_checkable
class BatchAugmenter(Protocol):
    """Changes a whole training batch of waveforms and targets, as mixup does."""

    def augment_batch(self, batch: Batch, generator: Generator) -> Batch:
        """Returns a new batch; every random draw is taken from `generator` (on the CPU)."""
        ...


@runtime_checkable
class FeatsAugmenter(Protocol):
    """Changes the features of a training batch, between frontend and backbone."""

    def augment_feats(self, feats: Tensor, lengths: Tensor | None, generator: Generator) -> Tensor:
        """(B, T, F) → (B, T, F); every random draw is taken from `generator` (on the CPU)."""
        ...


Augmenter = ClipAugmenter | BatchAugmenter | FeatsAugmenter
