"""Compiling the network: what is refused, and that weights keep their names and values theirs."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from asclf.errors import ConfigError
from asclf.model import AudioClassifier
from asclf.train.compiling import compile_network

Train = Callable[..., Path]


class Small(nn.Module):
    """The smallest thing that has something to compile."""

    def __init__(self) -> None:
        super().__init__()
        self.project = nn.Linear(3, 2)

    def forward(self, feats: Tensor, lengths: Tensor | None = None) -> Tensor:  # noqa: ARG002
        """(B, T, 3) → (B, 2)."""
        return self.project(feats.mean(1)).relu()


def small_classifier() -> AudioClassifier:
    torch.manual_seed(0)
    parts: Any = Small(), nn.Linear(2, 4)
    return AudioClassifier(nn.Identity(), [], *parts)


def test_without_a_compiler_it_is_refused_with_what_to_do(
    train: Train, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setenv("CXX", "no-such-compiler")
    with pytest.raises(ConfigError, match=r"there is no 'no-such-compiler'.*train\.compile=false"):
        train("exp", "train.compile=true")


def test_both_parts_are_compiled_and_their_weights_keep_their_names() -> None:
    model = small_classifier()
    names = list(model.state_dict())
    compile_network(model)
    assert list(model.state_dict()) == names
    for part in (model.backbone, model.head):
        assert part._compiled_call_impl is not None
    assert copy.deepcopy(model).backbone._compiled_call_impl is None  # a copy runs as written


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_what_is_compiled_gives_the_same_logits() -> None:
    model, feats = small_classifier(), torch.randn(2, 5, 3)
    expected = model.classify_feats(feats)
    compile_network(model)
    torch.testing.assert_close(model.classify_feats(feats), expected)
