"""Batch norm whose statistics are those of all ranks' clips."""

from __future__ import annotations

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
