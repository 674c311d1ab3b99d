from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from asclf.audio.features import compute_features
from asclf.edge.network import OnnxNetwork
from asclf.errors import BundleError, ExportError
from asclf.export.parity import (
    BATCH_SIZES,
    DURATIONS_S,
    Parity,
    parity_waveforms,
    shortest_duration_s,
)

WAVEFORM = {"type": "waveform", "sample_rate": 2_000}


class Mean(nn.Module):
    """(B, S, 1) or (B, S) → logits (B, 2): the mean square and its opposite."""

    def forward(self, values: Tensor) -> Tensor:
        power = 10 * values.flatten(1).square().mean(dim=1, keepdim=True)  # (B, 1)
        return torch.cat([power, 1 - power], dim=1)


@dataclass
class Exported:
    """Stands for the exported network, with something wrong where a test asks for it."""

    offset: float = 0.0
    swapped: bool = False
    largest_batch: int = 4
    shapes: list[tuple[int, ...]] = field(default_factory=list)

    def logits(self, feats: NDArray[np.float32]) -> NDArray[np.float32]:
        self.shapes.append(feats.shape)
        if len(feats) > self.largest_batch:
            raise BundleError("the network fails", where="model.onnx")
        logits = Mean()(torch.from_numpy(feats)).numpy() + np.float32([self.offset, 0])
        return logits[:, ::-1] if self.swapped else logits


def _parity(exported: Any, classifier: nn.Module | None = None) -> Parity:
    return Parity(classifier or Mean(), Mean(), cast(OnnxNetwork, exported), WAVEFORM)


def test_equal_paths_pass_at_every_duration_and_batch_size() -> None:
    exported = Exported()
    facts = _parity(exported).check()
    assert facts.network_max_error == facts.whole_max_error == 0
    assert {shape[0] for shape in exported.shapes} == set(BATCH_SIZES)
    samples = {round(duration_s * 2_000) for duration_s in DURATIONS_S}
    assert {shape[1] for shape in exported.shapes} == samples
    assert min(DURATIONS_S) < 0.025 < max(DURATIONS_S)


def test_a_network_with_room_for_fixed_frames_is_compared_with_as_many() -> None:
    exported = Exported()
    parity = Parity(Mean(), Mean(), cast(OnnxNetwork, exported), WAVEFORM, num_frames=1_234)
    facts = parity.check()
    assert facts.durations_s == (0.01, 0.5, 0.617, 1.0, 3.0, 5.0, 10.0)
    assert (4, 1_234, 1) in exported.shapes


@pytest.mark.parametrize("snip_edges", [False, True])
@pytest.mark.parametrize("num_frames", [16, 77, 300])
def test_the_shortest_clip_with_so_many_frames_has_just_these(
    num_frames: int, snip_edges: bool
) -> None:
    frontend = {"type": "fbank", "sample_rate": 8_000, "snip_edges": snip_edges}
    samples = round(8_000 * shortest_duration_s(num_frames, frontend))
    waveform = np.zeros(samples, np.float32)
    assert len(compute_features(waveform, frontend)) == num_frames
    assert len(compute_features(waveform[1:], frontend)) == num_frames - 1


def test_rounding_passes_and_is_recorded() -> None:
    facts = _parity(Exported(offset=5e-5)).check()
    assert facts.network_max_error == pytest.approx(5e-5, rel=0.01)


@pytest.mark.parametrize("offset", [3e-4, -1.0, np.nan, np.inf])
def test_a_network_that_differs_is_refused(offset: float) -> None:
    with pytest.raises(
        ExportError, match=r"network, batch of 1, clips of 0\.01 s: a logit .* is off by"
    ):
        _parity(Exported(offset=offset)).check()


def test_a_network_that_swaps_classes_is_refused() -> None:
    with pytest.raises(ExportError, match="is off by"):
        _parity(Exported(swapped=True)).check()


def test_a_network_that_takes_single_clips_only_is_refused() -> None:
    with pytest.raises(ExportError, match=r"network, batch of 4, .*: the network fails; expected"):
        _parity(Exported(largest_batch=1)).check()


class Shifted(nn.Module):
    """A classifier whose front end differs from the device's."""

    def __init__(self, offset: float) -> None:
        super().__init__()
        self.offset = offset

    def forward(self, waveform: Tensor) -> Tensor:
        return Mean()(waveform) + torch.tensor([self.offset, 0.0])


def test_a_front_end_may_differ_a_little_and_no_more() -> None:
    facts = _parity(Exported(), Shifted(5e-3)).check()
    assert facts.network_max_error == 0
    assert facts.whole_max_error == pytest.approx(5e-3, rel=0.01)
    with pytest.raises(ExportError, match=r"whole, clips of .* is off by"):
        _parity(Exported(), Shifted(5e-2)).check()


class Close(nn.Module):
    """Two logits `gap` apart, whatever it hears."""

    def __init__(self, gap: float) -> None:
        super().__init__()
        self.gap = gap

    def forward(self, waveform: Tensor) -> Tensor:
        return torch.tensor([[self.gap, 0.0]]).expand(len(waveform), 2)


class Level:
    """Two equal logits."""

    def logits(self, feats: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.tile(np.float32([0, 1e-5]), (len(feats), 1))


@pytest.mark.parametrize(("gap", "same"), [(1e-4, True), (5e-3, False)])
def test_the_best_label_may_change_only_between_equals(gap: float, same: bool) -> None:
    parity = Parity(Close(gap), Close(0.0), cast(OnnxNetwork, Level()), WAVEFORM)
    if same:
        parity.check()
    else:
        with pytest.raises(ExportError, match="prefers another label"):
            parity.check()


def test_the_clips_of_a_batch_differ_and_stay_within_full_scale() -> None:
    clips = parity_waveforms(16_000, 0.5, 4)
    assert clips.shape == (4, 8_000)
    assert 0.1 < np.abs(clips).max() <= 1
    assert np.abs(np.corrcoef(clips)[0, 1:]).max() < 0.95
