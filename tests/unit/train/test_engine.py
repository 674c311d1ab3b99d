"""One step: its gradient, its update, and what it refuses to update on."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Generator, Tensor, nn, optim

from asclf.config.experiment import TrainConfig
from asclf.model import AudioClassifier
from asclf.protocols import Augmenter, Batch, Loss
from asclf.registry import BACKBONES, FRONTENDS, HEADS, LOSSES
from asclf.testing.objective import DATA
from asclf.train.engine import StepResult, count_hits, split
from asclf.train.engine_torch import TorchEngine
from asclf.train.objectives.supervised import Supervised, SupervisedConfig
from asclf.train.peers import Peers
from asclf.train.trainee import Trainee

SAMPLE_RATE = 8000
CLIPS = 6
LENGTHS = torch.tensor([1600, 1200, 1600, 900, 1500, 700])


def make_batch(lengths: Tensor | None = None) -> Batch:
    waveform = 0.1 * torch.randn(CLIPS, 1600, generator=Generator().manual_seed(0))
    return Batch(
        waveform=waveform,
        lengths=lengths,
        targets=torch.eye(3).repeat(2, 1),
        clip_ids=tuple("abcdef"),
    )


def make_engine(
    augmenters: Sequence[Augmenter] = (),
    loss: Loss | None = None,
    make_optimizer: Callable[[nn.Module], optim.Optimizer] = lambda m: optim.SGD(
        m.parameters(), 0.1
    ),
    **options: Any,
) -> TorchEngine:
    """A network without batch norm and masks: each clip's logits depend on that clip alone."""
    torch.manual_seed(0)
    frontend = FRONTENDS.get("fbank").build(sample_rate=SAMPLE_RATE)
    entry = BACKBONES.get("spectromasknet_small")
    small = entry.configure(channels=(4, 4, 4, 4), depths=(1, 1, 1, 1), norm="group", mask=None)
    backbone = entry.build(small, feat_dim=frontend.feat_dim)
    head = HEADS.get("linear").build(embed_dim=backbone.embed_dim, num_classes=3)
    model = AudioClassifier(frontend, augmenters, backbone, head)
    config = TrainConfig(**options)
    if config.channels_last:
        model.to(memory_format=torch.channels_last)
    loss = loss or LOSSES.get("cross_entropy").build(num_classes=3)
    objective = Supervised(SupervisedConfig(), loss=loss, data=DATA)
    trainee = Trainee(model, objective, config.precision)
    return TorchEngine(trainee, make_optimizer(model), config, Peers())


def step(engine: TorchEngine, batch: Batch, factor: float = 1.0) -> StepResult:
    return engine.step(batch, factor, Generator().manual_seed(0))


def gradients(engine: TorchEngine, batch: Batch) -> list[Tensor]:
    step(engine, batch, factor=0.0)  # leaves the weights as they are
    return [parameter.grad for parameter in engine.model.parameters()]


def copy_weights(engine: TorchEngine) -> list[Tensor]:
    return [parameter.detach().clone() for parameter in engine.model.parameters()]


def broken_loss(value: Callable[[Tensor], Tensor]) -> Callable[[Tensor, Tensor], Tensor]:
    return lambda logits, targets: value((logits * targets).sum())


@pytest.mark.parametrize("lengths", [None, LENGTHS], ids=["equal", "padded"])
@pytest.mark.parametrize("size", [1, 2, 4, 6, 100])
def test_micro_batches_give_the_gradient_of_the_whole_batch(
    size: int, lengths: Tensor | None
) -> None:
    whole = gradients(make_engine(grad_clip=0.0), make_batch(lengths))
    parts = gradients(make_engine(grad_clip=0.0, micro_batch=size), make_batch(lengths))
    for one, two in zip(whole, parts, strict=True):
        torch.testing.assert_close(one, two, rtol=1e-4, atol=1e-6)
    assert max(gradient.abs().max() for gradient in whole) > 1e-3


def test_micro_batches_give_the_result_of_the_whole_batch() -> None:
    whole = step(make_engine(), make_batch())
    parts = step(make_engine(micro_batch=4), make_batch())
    assert parts.loss == pytest.approx(whole.loss, rel=1e-5)
    assert parts.grad_norm == pytest.approx(whole.grad_norm, rel=1e-3)
    assert (parts.hits, parts.clips) == (whole.hits, 6)


def test_a_batch_is_split_into_its_clips_in_their_order() -> None:
    batch = make_batch(LENGTHS)
    parts = list(split(batch, 4))
    assert [part.clip_ids for part in parts] == [tuple("abcd"), tuple("ef")]
    assert torch.equal(torch.cat([part.waveform for part in parts]), batch.waveform)
    assert torch.equal(torch.cat([part.targets for part in parts]), batch.targets)
    assert torch.equal(torch.cat([part.lengths for part in parts]), LENGTHS)
    (alone,) = split(make_batch(), None)
    assert alone.lengths is None
    assert alone.clip_ids == batch.clip_ids


@pytest.mark.parametrize("channels_last", [False, True])
def test_memory_format_changes_speed_and_not_the_step(channels_last: bool) -> None:
    engine = make_engine(channels_last=channels_last)
    kernel = next(p for p in engine.model.parameters() if p.ndim == 4 and min(p.shape[1:]) > 1)
    assert kernel.is_contiguous(memory_format=torch.channels_last) is channels_last
    plain = make_engine(channels_last=False)
    assert step(engine, make_batch()).loss == pytest.approx(step(plain, make_batch()).loss, 1e-5)
    for one, two in zip(copy_weights(engine), copy_weights(plain), strict=True):
        torch.testing.assert_close(one, two, rtol=1e-4, atol=1e-5)


def test_gradient_is_clipped_to_its_largest_norm_and_0_leaves_it() -> None:
    free = make_engine(grad_clip=0.0)
    norm = step(free, make_batch()).grad_norm
    clipped = make_engine(grad_clip=norm / 4)
    assert step(clipped, make_batch()).grad_norm == pytest.approx(norm)
    for one, two in zip(free.model.parameters(), clipped.model.parameters(), strict=True):
        torch.testing.assert_close(two.grad, one.grad / 4, rtol=1e-4, atol=1e-8)


def test_every_group_steps_at_its_own_rate_times_the_factor() -> None:
    def two_groups(model: nn.Module) -> optim.Optimizer:
        first, *others = model.parameters()
        return optim.SGD([{"params": [first], "lr": 0.5}, {"params": others}], lr=0.1)

    engine = make_engine(make_optimizer=two_groups, grad_clip=0.0)
    before = copy_weights(engine)
    step(engine, make_batch(), factor=0.2)
    after = list(engine.model.parameters())
    for old, new, rate in zip(before, after, [0.1] + [0.02] * (len(after) - 1), strict=True):
        torch.testing.assert_close(new, old - rate * new.grad)
    assert [g["lr"] for g in engine.optimizer.param_groups] == pytest.approx([0.1, 0.02])
    assert engine.learning_rate == pytest.approx(0.1)


@pytest.mark.parametrize(
    ("value", "loss_is_finite"),
    [
        (lambda total: total * math.nan, False),
        (lambda total: total * math.inf, False),
        (lambda total: (total * 0).sqrt(), True),  # 0, with an infinite slope
    ],
)
@pytest.mark.parametrize("grad_clip", [0.0, 5.0])
def test_what_is_not_finite_leaves_the_weights(
    value: Callable[[Tensor], Tensor], loss_is_finite: bool, grad_clip: float
) -> None:
    engine = make_engine(loss=broken_loss(value), grad_clip=grad_clip)
    before = copy_weights(engine)
    result = step(engine, make_batch())
    assert not result.is_finite
    assert math.isfinite(result.loss) is loss_is_finite
    assert not math.isfinite(result.grad_norm)
    assert all(map(torch.equal, before, copy_weights(engine)))


def test_gradients_of_a_step_do_not_reach_the_next() -> None:
    engine = make_engine(grad_clip=0.0)
    first = [gradient.clone() for gradient in gradients(engine, make_batch())]
    assert all(map(torch.equal, first, gradients(engine, make_batch())))


def test_hits_count_the_largest_target_also_where_targets_are_mixed() -> None:
    logits = torch.tensor([[2.0, 1.0, 0.0], [0.0, 3.0, 1.0], [0.0, 3.0, 1.0]])
    targets = torch.tensor([[1.0, 0.0, 0.0], [0.3, 0.7, 0.0], [0.6, 0.4, 0.0]])
    assert count_hits(logits, targets) == 2


class _Negate:
    """Turns waveforms over."""

    def augment_batch(self, batch: Batch, generator: Generator) -> Batch:  # noqa: ARG002
        batch.waveform.neg_()
        return batch


class _Silence:
    """Takes all feats away."""

    def augment_feats(self, feats: Tensor, *_: object) -> Tensor:
        return feats * 0


def test_augmenters_of_batches_and_feats_act_in_a_step() -> None:
    batch = make_batch()
    step(make_engine([_Negate()]), batch)
    assert torch.equal(batch.waveform, -make_batch().waveform)
    silent, heard = step(make_engine([_Silence()]), batch), step(make_engine(), batch)
    assert silent.loss != heard.loss


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_lower_precision_is_near_and_leaves_weights_and_logits_in_float32(precision: str) -> None:
    engine, plain = make_engine(precision=precision), make_engine()
    result, expected = step(engine, make_batch()), step(plain, make_batch())
    assert result.loss == pytest.approx(expected.loss, rel=0.02)
    assert result.loss != expected.loss
    assert result.grad_norm == pytest.approx(expected.grad_norm, rel=0.1)
    assert {parameter.dtype for parameter in engine.model.parameters()} == {torch.float32}
    assert not all(map(torch.equal, copy_weights(engine), copy_weights(make_engine())))


def test_a_gradient_too_large_for_fp16_lowers_the_scale_and_leaves_the_weights() -> None:
    engine = make_engine(precision="fp16", loss=broken_loss(lambda total: 1e30 * total))
    before, scale = copy_weights(engine), engine.scaler.get_scale()
    assert not step(engine, make_batch()).is_finite
    assert all(map(torch.equal, before, copy_weights(engine)))
    assert engine.scaler.get_scale() < scale
    state = engine.save_state(Path(), 1)
    fresh = make_engine(precision="fp16")
    fresh.load_state(Path(), 1, state)
    assert fresh.scaler.get_scale() == engine.scaler.get_scale()


def test_network_is_in_training_mode_in_a_step() -> None:
    engine = make_engine()
    engine.model.eval()
    modes: list[bool] = []
    engine.model.head.register_forward_hook(lambda head, *_: modes.append(head.training))
    assert isinstance(engine.model.head, nn.Module)
    step(engine, make_batch())
    assert modes == [True]
