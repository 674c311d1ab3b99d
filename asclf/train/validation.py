"""How good the weights of an epoch are, on clips that are not trained on."""

from __future__ import annotations

import copy
import time
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from asclf.checkpoint import load_weights
from asclf.config.experiment import ExperimentConfig
from asclf.data.clipset import score_batches
from asclf.data.shard_index import ShardIndex, ShardInfo
from asclf.device import best_device
from asclf.errors import TrainError
from asclf.model import AudioClassifier
from asclf.protocols import Loss
from asclf.score.multilabel import mean_average_precision
from asclf.train.engine import count_hits


class Validation(NamedTuple):
    """What weights reach on the validation clips.

    Attributes:
        score: Accuracy, or mean average precision where a clip may have several labels.
        loss: Mean over the clips.
        seconds: What it took to measure.
    """

    score: float = 0.0
    loss: float = 0.0
    seconds: float = 0.0


class Validator:
    """Measures weights on the validation clips, in a copy of the network.

    Args:
        config: Which loss, which batches, and whether a clip may have several labels.
        model: The network; its weights do not matter, and are not changed.
        index: The index that the shards belong to.
        shards: The validation clips; every one is heard once, whole and as it is.
    """

    def __init__(
        self,
        config: ExperimentConfig,
        model: AudioClassifier,
        index: ShardIndex,
        shards: Sequence[ShardInfo],
    ) -> None:
        self.config = config
        self.index = index
        self.shards = tuple(shards)
        self.loss: Loss = config.loss.build(num_classes=len(index.labels)).to(best_device())
        self.model = copy.deepcopy(model).to(best_device()).eval()
        if config.train.channels_last:
            self.model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    @property
    def clips(self) -> int:
        """How many it listens to."""
        return sum(shard.clips for shard in self.shards)

    def measure(self, weights: Mapping[str, Tensor]) -> Validation:
        """Loads weights and runs the network over every clip, in float32.

        Raises:
            DataError: A shard is broken, or a clip cannot be decoded.
            TrainError: The loss is not finite.
        """
        start = time.perf_counter()
        load_weights(self.model, weights, self.index.folder)
        logits, targets, loss = self._run()
        if not loss.isfinite():
            raise TrainError(
                f"the loss on the validation clips is {loss.item():.4g}",
                where=self.index.folder,
                expected="a finite number",
                hint="lower optimizer.lr, or raise its warm-up",
            )
        score, seconds = self._score(logits, targets), time.perf_counter() - start
        return Validation(score, loss.item(), seconds)

    def record(self, validation: Validation) -> dict[str, float]:
        """What a line of metrics.jsonl says of it."""
        name = "map" if self.config.multi_label else "accuracy"
        return {
            f"validation_{name}": validation.score,
            "validation_loss": validation.loss,
            "validation_seconds": validation.seconds,
        }

    @torch.inference_mode()
    def _run(self) -> tuple[Tensor, Tensor, Tensor]:
        """Logits (N, C), targets (N, C), and the mean loss ()."""
        logits, targets, losses = [], [], []
        batch_size = self.config.data.score_batch_size
        for batch in score_batches(self.index, self.shards, batch_size=batch_size):
            moved = batch.to(best_device())
            found = self.model(moved.waveform, moved.lengths)
            losses.append(self.loss(found, moved.targets) * len(batch.clip_ids))
            logits.append(found.cpu())
            targets.append(batch.targets)
        return torch.cat(logits), torch.cat(targets), torch.stack(losses).sum() / self.clips

    def _score(self, logits: Tensor, targets: Tensor) -> float:
        if self.config.multi_label:
            return mean_average_precision(targets.numpy() > 0, logits.numpy())
        return count_hits(logits, targets) / len(targets)
