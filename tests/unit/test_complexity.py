from __future__ import annotations

import torch
from torch import Tensor, nn

from asclf.complexity import complexity_of, complexity_of_backbone
from asclf.registry import BACKBONES


class Conv(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv1d(10, 6, kernel_size=3, padding=1, groups=2)
        self.norm = nn.BatchNorm1d(6)
        self.linear = nn.Linear(6, 4)

    def forward(self, feats: Tensor) -> Tensor:
        x = self.norm(self.conv(feats.transpose(1, 2)))  # (B, 6, T)
        return self.linear(x.mean(dim=2))


def test_parameters_and_macs_are_those_counted_by_hand() -> None:
    cost = complexity_of(Conv(), frames=7, feat_dim=10)
    assert cost.parameters == (6 * 5 * 3 + 6) + (6 + 6) + (6 * 4 + 4)
    assert cost.macs == 7 * 6 * 5 * 3 + 6 * 4


def test_the_network_keeps_its_weights_and_mode() -> None:
    network = Conv().train()
    complexity_of(network, frames=7, feat_dim=10)
    assert network.training
    assert network.conv.weight.device == torch.device("cpu")


def test_every_backbone_can_be_counted() -> None:
    names = BACKBONES.names()
    assert "ecapa_tdnn" in names
    for name in names:
        cost = complexity_of_backbone(name)
        assert cost.parameters > 1000
        assert cost.macs > cost.parameters
