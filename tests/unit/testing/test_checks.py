"""The contract suite notices every broken promise that it is there for."""
# ruff: noqa: ARG001, ARG002 (a broken component ignores what it should use)

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Generator, Tensor, nn

from asclf.config import component_config
from asclf.errors import RegistryError
from asclf.masks import length_keep_mask
from asclf.protocols import LengthsPolicy
from asclf.registry import AUGMENTERS, HEADS, Entry, Registry
from asclf.testing import BY_KIND, Check, checks, checks_of


@component_config
class GoodConfig:
    """Options of a component that keeps its promises."""

    width: int = 4
    """Something documented."""


@component_config
class NamelessConfig:
    width: int = 4
    """Something documented."""


@component_config
class SilentConfig:
    """Options one of which says nothing."""

    width: int = 4


class GoodBackbone(nn.Module):
    """A masked mean over time, mapped to an embedding."""

    lengths_policy: LengthsPolicy = "masked"
    paper = "none"

    def __init__(self, config: GoodConfig, *, feat_dim: int) -> None:
        super().__init__()
        self.embed_dim = config.width
        self.project = nn.Linear(feat_dim, config.width)

    def forward(self, feats: Tensor, lengths: Tensor | None = None) -> Tensor:
        if lengths is None:
            return self.project(feats.mean(1))
        keep = length_keep_mask(lengths, feats.shape[1]).unsqueeze(2)
        return self.project(feats.where(keep, 0).sum(1) / lengths.unsqueeze(1))


class ForgetsLengths(GoodBackbone):
    def forward(self, feats: Tensor, lengths: Tensor | None = None) -> Tensor:
        return super().forward(feats)


class FixedBackbone(GoodBackbone):
    """Hears five frames, the first of which matter most."""

    lengths_policy: LengthsPolicy = "fixed"
    num_frames = 5

    def first(self, lengths: Tensor) -> Tensor:
        return (lengths - self.num_frames).clamp_min(0) // 2

    def forward(self, feats: Tensor, lengths: Tensor | None = None) -> Tensor:
        if lengths is None:
            lengths = torch.full((feats.shape[0],), feats.shape[1], device=feats.device)
        order = torch.arange(self.num_frames, device=feats.device)
        places = (self.first(lengths).unsqueeze(1) + order) % lengths.unsqueeze(1)
        fitted = feats.gather(1, places.unsqueeze(2).expand(-1, -1, feats.shape[2]))
        return super().forward(fitted / (1 + order.unsqueeze(1)))


class HearsTheStart(FixedBackbone):
    def first(self, lengths: Tensor) -> Tensor:
        return torch.zeros_like(lengths)


class HearsPadding(FixedBackbone):
    def forward(self, feats: Tensor, lengths: Tensor | None = None) -> Tensor:
        return super().forward(feats)


class DoesNotSayItsFrames(GoodBackbone):
    lengths_policy: LengthsPolicy = "fixed"


class LooksAtItsMates(GoodBackbone):
    def forward(self, feats: Tensor, lengths: Tensor | None = None) -> Tensor:
        return super().forward(feats - feats.mean(0), lengths)


class DropsInEval(GoodBackbone):
    def forward(self, feats: Tensor, lengths: Tensor | None = None) -> Tensor:
        return nn.functional.dropout(super().forward(feats, lengths), training=True)


class HasIdleWeight(GoodBackbone):
    def __init__(self, config: GoodConfig, *, feat_dim: int) -> None:
        super().__init__(config, feat_dim=feat_dim)
        self.idle = nn.Parameter(torch.zeros(3))


class FailsOnSilence(GoodBackbone):
    def forward(self, feats: Tensor, lengths: Tensor | None = None) -> Tensor:
        return super().forward(feats / feats.std((1, 2), keepdim=True), lengths)


class NeedsManyFrames(GoodBackbone):
    def forward(self, feats: Tensor, lengths: Tensor | None = None) -> Tensor:
        return super().forward(feats.unfold(1, 5, 1).mean(3), lengths)


class ForgetsState(GoodBackbone):
    def __init__(self, config: GoodConfig, *, feat_dim: int) -> None:
        super().__init__(config, feat_dim=feat_dim)
        self.scale = torch.rand(())

    def forward(self, feats: Tensor, lengths: Tensor | None = None) -> Tensor:
        return super().forward(feats, lengths) * self.scale


class DrawsElsewhere(GoodBackbone):
    other = Generator().manual_seed(0)

    def forward(self, feats: Tensor, lengths: Tensor | None = None) -> Tensor:
        embedding = super().forward(feats, lengths)
        return embedding + torch.randn(1, generator=self.other) if self.training else embedding


class ViewsItsKernel(GoodBackbone):
    def __init__(self, config: GoodConfig, *, feat_dim: int) -> None:
        super().__init__(config, feat_dim=feat_dim)
        self.kernel = nn.Parameter(torch.ones(1, 2, 3, 3))

    def forward(self, feats: Tensor, lengths: Tensor | None = None) -> Tensor:
        return super().forward(feats, lengths) * self.kernel.view(-1).sum()


class NamesNoSource(GoodBackbone):
    paper = ""


class NeedsValues(GoodBackbone):
    def forward(self, feats: Tensor, lengths: Tensor | None = None) -> Tensor:
        return super().forward(feats * max(1.0, feats.abs().max().item()), lengths)


class BranchesOnValues(GoodBackbone):
    def forward(self, feats: Tensor, lengths: Tensor | None = None) -> Tensor:
        return super().forward(feats.abs() if feats.sum() > 0 else feats, lengths)


class KnowsTheExample(GoodBackbone):
    def forward(self, feats: Tensor, lengths: Tensor | None = None) -> Tensor:
        return super().forward(feats, lengths) + math.log(feats.shape[1])


class Unfinished(GoodBackbone):
    def __init__(self, config: GoodConfig, *, feat_dim: int) -> None:
        raise NotImplementedError


class EmbedsLonger(GoodBackbone):
    def forward(self, feats: Tensor, lengths: Tensor | None = None) -> Tensor:
        return super().forward(feats, lengths).repeat(1, 2)


def backbone_entry(factory: type, config_type: type = GoodConfig) -> Entry:
    return Entry("backbone", factory.__name__, factory, config_type)


def failed(entry: Entry) -> set[str]:
    """The names of the checks of its kind that the entry does not pass."""
    return {check.__name__ for check in BY_KIND[entry.kind] if not passes(check, entry)}


def passes(check: Check, entry: Entry) -> bool:
    try:
        check(entry)
    except Exception:  # a promise may be broken by an error of its own
        return False
    return True


@pytest.mark.parametrize("factory", [GoodBackbone, FixedBackbone])
def test_a_good_backbone_passes_every_check(factory: type) -> None:
    assert failed(backbone_entry(factory)) == set()


@pytest.mark.parametrize(
    ("factory", "check"),
    [
        (ForgetsLengths, "check_padding_does_not_matter"),
        (HearsPadding, "check_padding_does_not_matter"),
        (HearsTheStart, "check_fixed_frames_are_the_middle_or_repeated"),
        (DoesNotSayItsFrames, "check_fixed_frames_are_the_middle_or_repeated"),
        (LooksAtItsMates, "check_batch_mates_do_not_matter"),
        (DropsInEval, "check_evaluation_is_deterministic"),
        (HasIdleWeight, "check_every_parameter_gets_a_gradient"),
        (FailsOnSilence, "check_silence"),
        (NeedsManyFrames, "check_shortest_clips"),
        (ForgetsState, "check_state_round_trip"),
        (DrawsElsewhere, "check_seed_decides_weights_and_training"),
        (ViewsItsKernel, "check_memory_format_changes_nothing"),
        (NamesNoSource, "check_declares_what_it_is"),
        (NeedsValues, "check_embeds_without_memory"),
        (EmbedsLonger, "check_embeds_without_memory"),
        (BranchesOnValues, "check_exports_to_onnx"),
        (KnowsTheExample, "check_exports_to_onnx"),
    ],
)
def test_a_broken_backbone_fails_its_check(factory: type, check: str) -> None:
    by_name = {each.__name__: each for each in BY_KIND["backbone"]}
    assert not passes(by_name[check], backbone_entry(factory))


class GoodNoise:
    """Adds noise to clips and feats."""

    def __init__(self, config: GoodConfig, *, sample_rate: int) -> None:
        pass

    def augment_clip(self, waveform: Tensor, generator: Generator) -> Tensor:
        return waveform + torch.randn(waveform.shape, generator=generator)

    def augment_feats(self, feats: Tensor, lengths: Tensor | None, generator: Generator) -> Tensor:
        return feats + torch.randn(feats.shape, generator=generator)


class NoiseOfItsOwn(GoodNoise):
    def augment_clip(self, waveform: Tensor, generator: Generator) -> Tensor:
        return waveform + torch.randn(waveform.shape)


class NoiseInPlace(GoodNoise):
    def augment_clip(self, waveform: Tensor, generator: Generator) -> Tensor:
        return waveform.add_(torch.randn(waveform.shape, generator=generator))


class Nothing(GoodNoise):
    def augment_clip(self, waveform: Tensor, generator: Generator) -> Tensor:
        return waveform

    def augment_feats(self, feats: Tensor, lengths: Tensor | None, generator: Generator) -> Tensor:
        return feats


class LevelOfTheWholeBatch(GoodNoise):
    def augment_feats(self, feats: Tensor, lengths: Tensor | None, generator: Generator) -> Tensor:
        return super().augment_feats(feats, lengths, generator) - feats.mean()


class LastSampleLost(GoodNoise):
    def augment_clip(self, waveform: Tensor, generator: Generator) -> Tensor:
        return super().augment_clip(waveform, generator)[:-1]


@pytest.mark.parametrize(
    ("factory", "expected"),
    [
        (GoodNoise, None),
        (NoiseOfItsOwn, "check_generator_decides_everything"),
        (NoiseInPlace, "check_input_stays_as_it_was"),
        (Nothing, "check_acts_on_something"),
        (LevelOfTheWholeBatch, "check_padding_is_not_looked_at"),
        (LastSampleLost, "check_results_are_finite_and_of_their_shape"),
    ],
)
def test_augmenters_fail_their_check_and_no_other(factory: type, expected: str | None) -> None:
    entry = Entry("augmenter", factory.__name__, factory, GoodConfig)
    assert failed(entry) == ({expected} if expected else set())


class PerBatchLoss:
    def __init__(self, config: GoodConfig, *, num_classes: int) -> None:
        pass

    def __call__(self, logits: Tensor, targets: Tensor) -> Tensor:
        return nn.functional.cross_entropy(logits, targets, reduction="sum")


def test_a_loss_that_sums_over_clips_fails() -> None:
    entry = Entry("loss", "sum", PerBatchLoss, GoodConfig)
    assert failed(entry) == {"check_is_a_mean_over_clips"}


class CountingScheduler:
    def __init__(self, config: GoodConfig, **lengths: int) -> None:
        self.asked = 0

    def factor(self, step: int) -> float:
        self.asked += 1
        return 1 / self.asked


def test_a_scheduler_with_a_state_fails() -> None:
    entry = Entry("scheduler", "counting", CountingScheduler, GoodConfig)
    assert failed(entry) == {"check_factor_depends_on_the_step_alone"}


def half_of_adam(config: GoodConfig, *, model: nn.Module) -> torch.optim.Optimizer:
    return torch.optim.Adam([*model.parameters()][:2], lr=0.01)


def test_an_optimizer_that_forgets_parameters_fails() -> None:
    entry = Entry("optimizer", "half", half_of_adam, GoodConfig)
    assert failed(entry) == {"check_every_parameter_moves"}


class CountingSGD(torch.optim.SGD):
    def step(self, closure: None = None) -> None:
        super().step()
        for moments in self.state.values():
            moments["count"] = moments.get("count", 0) + 1


def counting_sgd(config: GoodConfig, *, model: nn.Module) -> torch.optim.Optimizer:
    return CountingSGD(model.parameters(), lr=0.01, momentum=0.9)


def test_an_optimizer_whose_state_no_file_can_hold_fails() -> None:
    entry = Entry("optimizer", "counting", counting_sgd, GoodConfig)
    assert failed(entry) == {"check_state_is_tensors"}


def test_a_config_or_an_option_without_a_doc_string_fails() -> None:
    documented = next(c for c in checks("backbone") if c.__name__ == "check_config_is_documented")
    documented(backbone_entry(GoodBackbone))
    with pytest.raises(AssertionError, match=r"SilentConfig: no doc string below .'width'"):
        documented(backbone_entry(GoodBackbone, SilentConfig))
    with pytest.raises(AssertionError, match=r"NamelessConfig'> has no doc string"):
        documented(backbone_entry(GoodBackbone, NamelessConfig))


def test_checks_leave_the_global_generator_as_it_was() -> None:
    state = torch.get_rng_state()
    for check in BY_KIND["backbone"]:
        check(backbone_entry(GoodBackbone))
    assert torch.equal(torch.get_rng_state(), state)


@pytest.fixture
def sizes(monkeypatch: pytest.MonkeyPatch) -> Registry:
    """A registry of backbones that has three sizes of one class, and another class."""
    registry = Registry("backbone", home="asclf.errors")  # where nothing is registered
    monkeypatch.setattr("asclf.testing.backbone.BACKBONES", registry)
    registry.register("net_large", GoodConfig, width=9)(GoodBackbone)
    registry.register("net_small", GoodConfig)(GoodBackbone)
    registry.register("net_small_again", GoodConfig)(GoodBackbone)
    registry.register("other", GoodConfig, width=99)(ForgetsLengths)
    return registry


def test_the_smallest_variant_of_each_class_has_every_check(sizes: Registry) -> None:
    whole = [entry.name for entry in entries(sizes) if checks_of(entry) == checks("backbone")]
    assert whole == ["net_small", "other"]


def test_a_larger_variant_has_the_checks_of_its_config_and_takes_no_memory(
    sizes: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(GoodBackbone, "forward", refuse_memory)
    found = checks_of(sizes.get("net_large"))
    assert found[:3] == checks("backbone")[:3]
    assert set(found) < set(checks("backbone"))
    for check in found[3:]:
        check(sizes.get("net_large"))


def refuse_memory(self: GoodBackbone, feats: Tensor, lengths: Tensor | None = None) -> Tensor:
    assert {feats.device.type, self.project.weight.device.type} == {"meta"}
    return self.project(feats.mean(1))


def test_what_cannot_be_built_fails_when_it_is_checked_and_not_before(sizes: Registry) -> None:
    for name in ("torn", "torn_large"):
        sizes.register(name, GoodConfig)(Unfinished)
    assert checks_of(sizes.get("torn")) == checks("backbone")
    for check in checks_of(sizes.get("torn_large"))[3:]:
        with pytest.raises(NotImplementedError):
            check(sizes.get("torn_large"))


def test_a_component_that_is_no_backbone_has_every_check() -> None:
    for registry in (AUGMENTERS, HEADS):
        for entry in entries(registry):
            assert checks_of(entry) == checks(entry.kind)


def entries(registry: Registry) -> list[Entry]:
    return [registry.get(name) for name in registry.names()]


def test_checks_of_an_unknown_kind_say_which_there_are() -> None:
    with pytest.raises(RegistryError, match="no kind 'backbones'; expected one of augmenter, back"):
        checks("backbones")


@pytest.mark.parametrize("kind", BY_KIND)
def test_the_checks_of_every_kind_begin_with_those_of_its_config(kind: str) -> None:
    found: Any = checks(kind)
    assert [check.__name__ for check in found[:3]] == [
        "check_config_has_defaults",
        "check_config_is_documented",
        "check_config_round_trip",
    ]
    assert len(found) > 4
