from __future__ import annotations

import copy

import torch
from torch import nn

from asclf.backbones._blocks.norms import BatchNorm
from asclf.backbones._blocks.valid import Valid
from asclf.backbones.campplus import NormRelu
from asclf.train.batch_norm import synchronise_batch_norms


def test_norms_stay_of_their_class_and_become_torchs_synchronised_ones() -> None:
    network = nn.Sequential(BatchNorm(4), NormRelu(4), nn.BatchNorm1d(4), nn.GroupNorm(2, 4))
    synchronised = copy.deepcopy(network)
    synchronise_batch_norms(synchronised)
    for before, after in zip(network, synchronised, strict=True):
        assert isinstance(after, type(before))
        assert isinstance(after, nn.SyncBatchNorm) is not isinstance(before, nn.GroupNorm)
    assert synchronised.state_dict().keys() == network.state_dict().keys()
    assert copy.deepcopy(synchronised).state_dict().keys() == network.state_dict().keys()


def test_one_process_alone_computes_as_before_with_padding_too() -> None:
    torch.manual_seed(0)
    x = torch.randn(3, 4, 5, 6)
    for kind in (BatchNorm, NormRelu):
        for valid in (None, Valid(torch.tensor([5, 2, 4]), 5)):
            plain, norm = kind(4), kind(4)
            synchronise_batch_norms(norm)
            torch.testing.assert_close(norm(x, valid), plain(x, valid))
            torch.testing.assert_close(norm.running_var, plain.running_var)
            torch.testing.assert_close(norm.eval()(x, valid), plain.eval()(x, valid))
