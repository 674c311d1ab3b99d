"""What every augmenter promises; it may act on clips, on batches, on feats, or on several."""

from __future__ import annotations

import torch
from torch import Generator, Tensor

from asclf.protocols import Augmenter, Batch, BatchAugmenter, ClipAugmenter, FeatsAugmenter
from asclf.registry import Entry
from asclf.testing._tools import Check, assert_finite, assert_same, seeded

SAMPLE_RATE = 16_000
SEEDS = range(20)  # enough for whatever happens to every other clip


@seeded
def check_acts_on_something(entry: Entry) -> None:
    """It has at least one of the three methods, and with its defaults it changes what it gets."""
    augmenter = _build(entry)
    assert isinstance(augmenter, ClipAugmenter | BatchAugmenter | FeatsAugmenter)
    plain = _inputs(augmenter)
    changed = [_is_changed(_outputs(augmenter, plain, seed), plain) for seed in SEEDS]
    assert any(changed), f"in {len(SEEDS)} tries it changed nothing"


@seeded
def check_generator_decides_everything(entry: Entry) -> None:
    """The same generator gives the same result, whatever state any other one is in."""
    augmenter = _build(entry)
    plain = _inputs(augmenter)
    for seed in SEEDS:
        first, second = _outputs(augmenter, plain, seed), _outputs(augmenter, plain, seed)
        for name in first:
            assert_same(second[name], first[name], f"two {name}s from one seed")


@seeded
def check_input_stays_as_it_was(entry: Entry) -> None:
    """It returns something new and does not write into what it was given."""
    augmenter = _build(entry)
    plain = _inputs(augmenter)
    before = {name: values.clone() for name, values in plain.items()}
    for seed in SEEDS:
        _outputs(augmenter, plain, seed)
    for name, values in before.items():
        assert_same(plain[name], values, f"the {name} after and before")


@seeded
def check_results_are_finite_and_of_their_shape(entry: Entry) -> None:
    """Noise, silence, and clips of one sample or frame come out finite and not empty."""
    augmenter = _build(entry)
    for scale, samples, frames in ((0.1, 3000, 50), (0.0, 3000, 50), (0.1, 1, 1)):
        plain = _inputs(augmenter, scale, samples, frames)
        for seed in SEEDS:
            for name, values in _outputs(augmenter, plain, seed).items():
                assert_finite(values, f"the {name}")
                assert values.ndim == plain[name].ndim
                assert values.numel() > 0, f"the {name} is empty"
                assert name == "clip" or values.shape == plain[name].shape


@seeded
def check_batch_stays_one(entry: Entry) -> None:
    """Targets still sum to 1, lengths stay inside the waveform, and clip ids stay."""
    augmenter = _build(entry)
    if not isinstance(augmenter, BatchAugmenter):
        return
    for lengths in (None, torch.tensor([400, 250, 1, 399])):
        batch = _batch(0.1 * torch.randn(4, 400), lengths)
        for seed in SEEDS:
            changed = augmenter.augment_batch(batch, _generator(seed))
            assert changed.clip_ids == batch.clip_ids
            assert_same(changed.targets.sum(1), torch.ones(4), "sums of targets", 1e-5)
            _check_lengths(changed.lengths, lengths)


@seeded
def check_padding_is_not_looked_at(entry: Entry) -> None:
    """What stands in the padding of feats has no part in what becomes of the valid frames."""
    augmenter = _build(entry)
    if not isinstance(augmenter, FeatsAugmenter):
        return
    feats, lengths = torch.randn(2, 50, 20), torch.tensor([50, 23])
    other = feats.clone()
    other[1, 23:] = 100.0
    for seed in SEEDS:
        first = augmenter.augment_feats(feats, lengths, _generator(seed))
        second = augmenter.augment_feats(other, lengths, _generator(seed))
        assert_same(second[1, :23], first[1, :23], "valid frames beside other padding")


def _build(entry: Entry) -> Augmenter:
    augmenter: Augmenter = entry.build(sample_rate=SAMPLE_RATE)
    return augmenter


def _generator(seed: int) -> Generator:
    return Generator().manual_seed(seed)


def _inputs(
    augmenter: Augmenter, scale: float = 0.1, samples: int = 3000, frames: int = 50
) -> dict[str, Tensor]:
    """One input for each thing that the augmenter acts on."""
    found: dict[str, Tensor] = {}
    if isinstance(augmenter, ClipAugmenter):
        found["clip"] = scale * torch.randn(samples)
    if isinstance(augmenter, BatchAugmenter):
        found["batch"] = scale * torch.randn(4, samples)
    if isinstance(augmenter, FeatsAugmenter):
        found["feats"] = scale * torch.randn(4, frames, 20)
    return found


def _outputs(augmenter: Augmenter, plain: dict[str, Tensor], seed: int) -> dict[str, Tensor]:
    """What becomes of each of the inputs."""
    found: dict[str, Tensor] = {}
    if isinstance(augmenter, ClipAugmenter):
        found["clip"] = augmenter.augment_clip(plain["clip"], _generator(seed))
    if isinstance(augmenter, BatchAugmenter):
        batch = augmenter.augment_batch(_batch(plain["batch"]), _generator(seed))
        found["batch"] = batch.waveform
    if isinstance(augmenter, FeatsAugmenter):
        found["feats"] = augmenter.augment_feats(plain["feats"], None, _generator(seed))
    return found


def _batch(waveform: Tensor, lengths: Tensor | None = None) -> Batch:
    ids = tuple(f"clip{i}" for i in range(len(waveform)))
    return Batch(waveform=waveform, lengths=lengths, targets=torch.eye(len(ids)), clip_ids=ids)


def _is_changed(outputs: dict[str, Tensor], plain: dict[str, Tensor]) -> bool:
    return any(not torch.equal(outputs[name], plain[name]) for name in plain)


def _check_lengths(found: Tensor | None, given: Tensor | None) -> None:
    if given is None or found is None:
        assert found is given, "lengths come out where, and only where, they went in"
        return
    assert found.dtype == torch.int64
    assert ((found >= 1) & (found <= given.max())).all(), f"lengths {found.tolist()}"


CHECKS: tuple[Check, ...] = (
    check_acts_on_something,
    check_generator_decides_everything,
    check_input_stays_as_it_was,
    check_results_are_finite_and_of_their_shape,
    check_batch_stays_one,
    check_padding_is_not_looked_at,
)
