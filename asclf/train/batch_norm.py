"""Batch norm's statistics: over all ranks' clips, and free of steps that do not count."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm


def synchronise_batch_norms(network: nn.Module) -> None:
    """Lets every batch norm take its statistics over all ranks; for GPUs, where torch can.

    Where a batch is padded, those norms that leave padding out take them over their own rank.

    torch's own conversion puts plain norms in the place of derived ones; here each stays of its
    class, with torch's synchronised computation below it.
    """
    for norm in network.modules():
        if isinstance(norm, _BatchNorm):
            kind = type(norm)
            norm.__class__ = type(f"Synchronised{kind.__name__}", (kind, nn.SyncBatchNorm), {})
            norm.process_group = None  # type: ignore[assignment]


class Statistics:
    """The running statistics of a network's batch norms, as they were before a step.

    A forward pass moves them before anybody knows that its loss is not finite. One NaN would stay
    in them for ever, unseen in training, which does not read them, and spoil all that is scored.

    Args:
        network: It has all its norms; none comes later.
    """

    def __init__(self, network: nn.Module) -> None:
        norms = [norm for norm in network.modules() if isinstance(norm, _BatchNorm)]
        self._live = [buffer for norm in norms for buffer in norm.buffers(recurse=False)]
        self._kept = [buffer.clone() for buffer in self._live]

    def keep(self) -> None:
        """Notes them as they are."""
        if self._live:
            torch._foreach_copy_(self._kept, self._live)

    def put_back(self) -> None:
        """Makes them what they were."""
        if self._live:
            torch._foreach_copy_(self._live, self._kept)
