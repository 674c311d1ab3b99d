"""What every engine runs: a batch through network and objective, in one forward."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Generator, Tensor, nn

from asclf.model import AudioClassifier
from asclf.protocols import Batch, Objective

Precision = Literal["float32", "bf16", "fp16"]
DTYPES = {"float32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


class Trainee(nn.Module):
    """A classifier with its objective.

    One forward gives the loss, so that what wraps a module to train it (DistributedDataParallel,
    DeepSpeed) sees everything that takes part. Features, and the loss, are always float32.

    Args:
        model: The classifier.
        objective: Its logits and the batch to one number.
        precision: What the network computes in; its weights stay float32.
    """

    def __init__(
        self, model: AudioClassifier, objective: Objective, precision: Precision = "float32"
    ) -> None:
        super().__init__()
        self.model = model
        self.objective = objective
        self.precision = precision

    def train(self, mode: bool = True) -> Trainee:
        """As of any module, but a frozen backbone stays as it is in use: its norms do not move."""
        super().train(mode)
        backbone = self.model.get_submodule("backbone")
        if not any(parameter.requires_grad for parameter in backbone.parameters()):
            backbone.eval()
        return self

    def augment(self, batch: Batch, generator: Generator) -> Batch:
        """A batch as the data workers made it, with soft targets where there are any, mixed."""
        prepare = getattr(self.objective, "prepare", None)
        if prepare is not None:
            batch = prepare(batch)
        return self.model.augment_batch(batch, generator)

    def forward(self, batch: Batch, generator: Generator) -> tuple[Tensor, Tensor]:
        """A batch, already mixed → its loss (), with the network's penalty, and logits (B, C)."""
        feats, lengths = self.model.training_feats(batch, generator)
        with torch.autocast(
            feats.device.type, DTYPES[self.precision], enabled=self.precision != "float32"
        ):
            logits = self.model.classify_feats(feats, lengths)
        logits = logits.float()
        return self.objective(logits, batch) + self.model.penalty(), logits


def freeze_all_but_head(model: AudioClassifier) -> None:
    """Leaves the head alone to be trained, on what the rest makes of a clip (a probe)."""
    model.requires_grad_(False)
    model.get_submodule("head").requires_grad_(True)
