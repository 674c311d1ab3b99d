from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Generator, Tensor

import asclf.backbones._masking
from asclf.config.experiment import bind_experiment
from asclf.config.yaml import parse_yaml
from asclf.model import AudioClassifier, build_classifier
from asclf.protocols import Batch

SPECTROMASKNET = "{type: spectromasknet_small, channels: [4, 4, 4, 4], depths: [1, 1, 1, 1]}"
WAVEFORM = 0.1 * torch.randn(3, 6000, generator=Generator().manual_seed(0))


def build(text: str = "", num_classes: int = 3) -> AudioClassifier:
    torch.manual_seed(0)
    text = f"backbone: {SPECTROMASKNET}\n{text}"
    return build_classifier(bind_experiment(parse_yaml(text, "x.yaml")), num_classes)


def batch() -> Batch:
    return Batch(WAVEFORM, None, torch.eye(3), ("a", "b", "c"))


class _Clips:
    """Does nothing to clips."""

    def augment_clip(self, waveform: Tensor, generator: Generator) -> Tensor:  # noqa: ARG002
        return waveform


class _AddToBatch:
    """Adds to the waveforms."""

    def augment_batch(self, batch: Batch, generator: Generator) -> Batch:  # noqa: ARG002
        return Batch(batch.waveform + 1, None, batch.targets, batch.clip_ids)


class _DoubleBatch:
    """Doubles the waveforms."""

    def augment_batch(self, batch: Batch, generator: Generator) -> Batch:  # noqa: ARG002
        return Batch(batch.waveform * 2, None, batch.targets, batch.clip_ids)


class _Feats:
    """Replaces feats by noise."""

    def augment_feats(
        self,
        feats: Tensor,
        lengths: Tensor | None,  # noqa: ARG002
        generator: Generator,
    ) -> Tensor:
        return torch.randn(feats.shape, generator=generator)


def with_augmenters(*augmenters: object) -> AudioClassifier:
    model = build()
    return AudioClassifier(model.frontend, augmenters, model.backbone, model.head)


@pytest.mark.parametrize("num_classes", [2, 50])
def test_a_classifier_is_built_for_its_classes_and_sample_rate(num_classes: int) -> None:
    model = build("sample_rate: 8000\nfrontend: {num_mel_bins: 20}", num_classes).eval()
    assert model.frontend.describe()["sample_rate"] == 8000
    assert model(WAVEFORM).shape == (3, num_classes)


def test_logits_are_those_of_the_features() -> None:
    model = build().eval()
    feats, lengths = model.frontend(WAVEFORM, None)
    assert torch.equal(model(WAVEFORM), model.classify_feats(feats, lengths))


def test_padding_does_not_change_the_logits_of_a_masked_backbone() -> None:
    model = build().eval()
    padded = torch.nn.functional.pad(WAVEFORM, (0, 2000), value=0.5)
    found = model(padded, torch.tensor([6000, 6000, 8000]))
    torch.testing.assert_close(found[:2], model(WAVEFORM)[:2], atol=1e-5, rtol=1e-4)


def test_each_kind_of_augmenter_acts_in_its_own_place() -> None:
    clips, add, feats, double = _Clips(), _AddToBatch(), _Feats(), _DoubleBatch()
    model = with_augmenters(feats, clips, add, double)
    assert model.clip_augmenters == (clips,)
    augmented = model.augment_batch(batch(), Generator())
    assert torch.equal(augmented.waveform, (WAVEFORM + 1) * 2)  # in the order given


def test_feats_are_augmented_in_training_alone_and_by_the_generator() -> None:
    model, plain = with_augmenters(_Feats()).eval(), build().eval()
    assert torch.equal(model(WAVEFORM), plain(WAVEFORM))
    assert torch.equal(
        plain.training_feats(batch(), Generator())[0], plain.frontend(WAVEFORM, None)[0]
    )
    first, again = (model.training_feats(batch(), Generator().manual_seed(1))[0] for _ in range(2))
    assert torch.equal(first, again)
    assert not torch.equal(first, model.training_feats(batch(), Generator().manual_seed(2))[0])


def test_augmenters_are_no_part_of_the_state() -> None:
    text = "augmenters: [{type: gain}, {type: mixup}, {type: block_mask}]"
    assert build(text).state_dict().keys() == build().state_dict().keys()


@pytest.fixture
def count_masks(monkeypatch: pytest.MonkeyPatch) -> Callable[[], int]:
    """Counts the masks that the backbone draws."""
    drawn = 0
    draw = asclf.backbones._masking.block_keep_mask

    def counted(*arguments: object) -> Tensor:
        nonlocal drawn
        drawn += 1
        return draw(*arguments)

    monkeypatch.setattr(asclf.backbones._masking, "block_keep_mask", counted)
    return lambda: drawn


def test_masks_act_in_training_alone(count_masks: Callable[[], int]) -> None:
    model = build()
    model.eval()(WAVEFORM)
    assert count_masks() == 0
    model.train()(WAVEFORM)
    assert count_masks() == 1


def test_masks_are_drawn_from_the_global_generator() -> None:
    model = build().train()
    logits = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        logits.append(model(WAVEFORM))
    assert torch.equal(logits[0], logits[1])
    assert not torch.equal(logits[0], logits[2])
