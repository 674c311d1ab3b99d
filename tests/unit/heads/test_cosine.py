from __future__ import annotations

import pytest
import torch

from asclf.registry import HEADS


def test_logits_are_scaled_cosines() -> None:
    entry = HEADS.get("cosine")
    head = entry.build(entry.configure(scale=20.0), embed_dim=7, num_classes=3)
    embedding = torch.randn(4, 7)
    cosine = torch.nn.functional.cosine_similarity(embedding[:, None], head.weight[None], dim=2)
    torch.testing.assert_close(head(embedding), 20 * cosine)
    assert sum(parameter.numel() for parameter in head.parameters()) == 7 * 3


def test_the_length_of_an_embedding_does_not_matter() -> None:
    head, embedding = HEADS.get("cosine").build(embed_dim=7, num_classes=3), torch.randn(4, 7)
    torch.testing.assert_close(head(100 * embedding), head(embedding))


def test_training_and_use_give_the_same_logits() -> None:
    head, embedding = HEADS.get("cosine").build(embed_dim=7, num_classes=3), torch.randn(4, 7)
    assert torch.equal(head.train()(embedding), head.eval()(embedding))


def test_an_embedding_of_zeros_is_as_near_to_every_class() -> None:
    logits = HEADS.get("cosine").build(embed_dim=7, num_classes=3)(torch.zeros(2, 7))
    assert torch.equal(logits, torch.zeros(2, 3))


def test_a_clip_in_the_direction_of_a_class_scores_nearly_1() -> None:
    head = HEADS.get("cosine").build(embed_dim=64, num_classes=50)
    scores = head(head.weight[:1]).softmax(1)[0]
    assert scores[0].item() == pytest.approx(1, abs=1e-3)
