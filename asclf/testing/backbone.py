"""What every backbone promises."""

from __future__ import annotations

import math
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import cast, get_args

import torch
from torch import Tensor, nn

from asclf.protocols import Backbone, FixedBackbone, LengthsPolicy
from asclf.registry import BACKBONES, Entry
from asclf.testing._tools import (
    Check,
    assert_finite,
    assert_gradients,
    assert_same,
    copy_state,
    seeded,
)

FEAT_DIM = 80
FRAMES = 48
TOLERANCE = 1e-5
EXPORT_TOLERANCE = 1e-4  # absolute and relative: float32 sums in another order


@seeded
def check_declares_what_it_is(entry: Entry) -> None:
    """It is an nn.Module with `embed_dim`, `lengths_policy` and `paper`."""
    backbone = _build_without_memory(entry)
    assert isinstance(backbone, Backbone)
    assert backbone.embed_dim > 0
    assert backbone.lengths_policy in get_args(LengthsPolicy), backbone.lengths_policy
    assert backbone.paper.strip(), "`paper` names no source"


@seeded
def check_embedding_is_finite_and_of_its_length(entry: Entry) -> None:
    """(B, T, F) → (B, D), for one clip and several, for odd and even numbers of frames."""
    backbone = _build(entry).eval()
    for batch_size, frames in ((1, FRAMES), (3, FRAMES + 1)):
        embedding = _embed(backbone, torch.randn(batch_size, frames, FEAT_DIM))
        assert embedding.shape == (batch_size, backbone.embed_dim)
        assert_finite(embedding, f"the embedding of {frames} frames")


@seeded
def check_shortest_clips(entry: Entry) -> None:
    """A single clip of 1, 2, … 9 frames has a finite embedding."""
    backbone = _build(entry).eval()
    for frames in range(1, 10):
        embedding = _embed(backbone, torch.randn(1, frames, FEAT_DIM))
        assert_finite(embedding, f"the embedding of {frames} frames")


@seeded
def check_silence(entry: Entry) -> None:
    """Feats that are all 0, as those of digital silence are, have a finite embedding."""
    assert_finite(_embed(_build(entry).eval(), torch.zeros(2, FRAMES, FEAT_DIM)), "the embedding")


@seeded
def check_every_parameter_gets_a_gradient(entry: Entry) -> None:
    """In training, every parameter has part in the embedding, with and without lengths."""
    for lengths in (None, torch.tensor([FRAMES, FRAMES - 9, 12])):
        backbone = _build(entry).train()
        assert_gradients(backbone, backbone(torch.randn(3, FRAMES, FEAT_DIM), lengths))


@seeded
def check_evaluation_is_deterministic(entry: Entry) -> None:
    """In eval mode the same feats have the same embedding, and no random number is drawn."""
    backbone, feats = _build(entry).eval(), torch.randn(2, FRAMES, FEAT_DIM)
    state = torch.get_rng_state()
    assert_same(_embed(backbone, feats), _embed(backbone, feats), "two embeddings of one clip")
    assert torch.equal(torch.get_rng_state(), state), "it draws random numbers in eval mode"


@seeded
def check_seed_decides_weights_and_training(entry: Entry) -> None:
    """Weights, dropout and masks come from torch's global generator and nowhere else."""
    feats = torch.randn(2, FRAMES, FEAT_DIM)
    torch.manual_seed(1)
    first = _build(entry).train()(feats)
    torch.manual_seed(1)
    assert_same(_build(entry).train()(feats), first, "two runs from one seed")


@seeded
def check_batch_mates_do_not_matter(entry: Entry) -> None:
    """In eval mode a clip's embedding is the one that it has alone."""
    backbone, feats = _build(entry).eval(), torch.randn(3, FRAMES, FEAT_DIM)
    together = _embed(backbone, feats)
    for i in range(len(feats)):
        alone = _embed(backbone, feats[i : i + 1])
        assert_same(together[i : i + 1], alone, f"clip {i} in a batch and alone", TOLERANCE)


@seeded
def check_padding_does_not_matter(entry: Entry) -> None:
    """With policy `masked` or `fixed`, a padded clip has the embedding of the clip alone.

    Whatever stands in the padding: here it is louder than the clip.
    """
    backbone = _build(entry).eval()
    if backbone.lengths_policy == "equal":
        return
    lengths = torch.tensor([FRAMES, FRAMES - 1, 30, 17, 2])
    feats = torch.randn(len(lengths), FRAMES, FEAT_DIM)
    padded = feats.clone()
    for clip, length in zip(padded, lengths, strict=True):
        clip[length:] = 10 * torch.randn(FRAMES - int(length), FEAT_DIM)
    together = _embed(backbone, padded, lengths)
    for i, length in enumerate(lengths):
        alone = _embed(backbone, feats[i : i + 1, :length])
        what = f"a clip of {length} frames, padded to {FRAMES} and alone"
        assert_same(together[i : i + 1], alone, what, TOLERANCE)


@seeded
def check_fixed_frames_are_the_middle_or_repeated(entry: Entry) -> None:
    """With policy `fixed`, a clip has the embedding of the `num_frames` frames it is fitted to."""
    backbone = _build(entry).eval()
    if backbone.lengths_policy != "fixed":
        return
    assert isinstance(backbone, FixedBackbone), "it has no `num_frames`"
    room = backbone.num_frames
    for frames in (1, room - 1, room, room + 7, 2 * room + 1):
        feats = torch.randn(1, frames, FEAT_DIM)
        first = max(0, frames - room) // 2
        fitted = feats[:, [(first + place) % frames for place in range(room)]]
        what = f"a clip of {frames} frames and the {room} it is fitted to"
        assert_same(_embed(backbone, feats), _embed(backbone, fitted), what, TOLERANCE)


@seeded
def check_lengths_of_whole_clips_change_nothing(entry: Entry) -> None:
    """Lengths that say that nothing is padded give what `None` gives."""
    backbone, feats = _build(entry).eval(), torch.randn(2, FRAMES, FEAT_DIM)
    whole = torch.full((2,), FRAMES)
    with_lengths, without = _embed(backbone, feats, whole), _embed(backbone, feats)
    assert_same(with_lengths, without, "with whole lengths and without", TOLERANCE)


@seeded
def check_state_round_trip(entry: Entry) -> None:
    """Weights saved and loaded into a fresh one give the same embedding."""
    backbone, other = _build(entry), _build(entry)
    backbone.train()(torch.randn(2, FRAMES, FEAT_DIM))  # moves running statistics, where it has any
    copy_state(backbone, other)
    feats = torch.randn(2, FRAMES, FEAT_DIM)
    saved, loaded = _embed(backbone.eval(), feats), _embed(other.eval(), feats)
    assert_same(loaded, saved, "before saving and after loading")


@seeded
def check_memory_format_changes_nothing(entry: Entry) -> None:
    """With kernels stored as NHWC, as training may store them, it embeds and learns the same."""
    backbone, feats = _build(entry).eval(), torch.randn(2, FRAMES, FEAT_DIM)
    plain = _embed(backbone, feats)
    backbone.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    assert_same(_embed(backbone, feats), plain, "with kernels as NHWC and NCHW", TOLERANCE)
    assert_gradients(backbone, backbone.train()(feats))


@seeded
def check_trains_in_half_precision(entry: Entry) -> None:
    """Under autocast to bfloat16 every parameter gets a gradient, with and without lengths."""
    for lengths in (None, torch.tensor([FRAMES, FRAMES - 9, 12])):
        backbone = _build(entry).train()
        with torch.autocast("cpu", torch.bfloat16):
            embedding = backbone(torch.randn(3, FRAMES, FEAT_DIM), lengths)
        assert_gradients(backbone, embedding.float())


@seeded
def check_can_be_counted_without_memory(entry: Entry) -> None:
    """On the meta device it has the parameters that it has on the CPU."""
    shapes = [parameter.shape for parameter in _build_without_memory(entry).parameters()]
    assert shapes == [parameter.shape for parameter in _build(entry).parameters()]


@seeded
def check_embeds_without_memory(entry: Entry) -> None:
    """On the meta device, where nothing is stored or computed, its shapes fit one another."""
    backbone = _build_without_memory(entry).eval()
    for batch_size, frames in ((1, FRAMES), (3, FRAMES + 1)):
        embedding = _embed(backbone, torch.empty(batch_size, frames, FEAT_DIM, device="meta"))
        assert embedding.shape == (batch_size, backbone.embed_dim)


@seeded
def check_exports_to_onnx(entry: Entry) -> None:
    """As an ONNX graph it gives the same embedding, of clips of three durations.

    Raises:
        MissingExtraError: The extra `export` is not installed.
    """
    from asclf.edge.network import OnnxNetwork
    from asclf.export.graph import write_onnx
    from asclf.export.onnx import EXAMPLE_S

    backbone = _build(entry)
    backbone.train()(torch.randn(2, FRAMES, FEAT_DIM))  # moves running statistics, where it has any
    backbone.eval()
    example = torch.randn(2, round(100 * EXAMPLE_S), FEAT_DIM)  # frames each 10 ms
    with TemporaryDirectory() as folder:
        path = Path(folder) / "backbone.onnx"
        write_onnx(backbone, path, example=example, metadata={})
        exported = OnnxNetwork(path)
        for batch_size, frames in ((1, 9), (2, FRAMES), (1, 498)):
            feats = torch.randn(batch_size, frames, FEAT_DIM)
            found = torch.from_numpy(exported.logits(feats.numpy()))
            error = (found - _embed(backbone, feats)).abs() / (1 + found.abs())
            assert error.max() <= EXPORT_TOLERANCE, f"{frames} frames: off by {error.max():.3g}"


def has_smaller_variant(entry: Entry) -> bool:
    """Whether another registered name builds the same class with fewer parameters."""
    others = [each for each in BACKBONES.variants(entry) if each.name != entry.name]
    return any(_rank(each) < _rank(entry) for each in others)


def _rank(entry: Entry) -> tuple[float, str]:
    """Parameters, then the name: of two variants of one size, one is the smaller all the same."""
    try:
        parameters = _build_without_memory(entry).parameters()
    except Exception:  # the checks themselves will say why
        return math.inf, entry.name
    return sum(parameter.numel() for parameter in parameters), entry.name


class _Module(nn.Module):
    """The type of what `_build` returns, for the type checker alone."""

    embed_dim: int
    lengths_policy: LengthsPolicy
    paper: str


def _build(entry: Entry) -> _Module:
    backbone = entry.build(feat_dim=FEAT_DIM)
    assert isinstance(backbone, nn.Module), f"{type(backbone)} is no nn.Module"
    return cast(_Module, backbone)


def _build_without_memory(entry: Entry) -> _Module:
    with torch.device("meta"):
        return _build(entry)


def _embed(backbone: nn.Module, feats: Tensor, lengths: Tensor | None = None) -> Tensor:
    with torch.inference_mode():
        return cast(Tensor, backbone(feats, lengths))


CHECKS: tuple[Check, ...] = (
    check_declares_what_it_is,
    check_embedding_is_finite_and_of_its_length,
    check_shortest_clips,
    check_silence,
    check_every_parameter_gets_a_gradient,
    check_evaluation_is_deterministic,
    check_seed_decides_weights_and_training,
    check_batch_mates_do_not_matter,
    check_padding_does_not_matter,
    check_fixed_frames_are_the_middle_or_repeated,
    check_lengths_of_whole_clips_change_nothing,
    check_state_round_trip,
    check_memory_format_changes_nothing,
    check_trains_in_half_precision,
    check_can_be_counted_without_memory,
    check_embeds_without_memory,
    check_exports_to_onnx,
)
CHECKS_OF_LARGER_VARIANTS: tuple[Check, ...] = (
    check_declares_what_it_is,
    check_embeds_without_memory,
)
"""What is left to check where a smaller size of the same class passes all of them."""
