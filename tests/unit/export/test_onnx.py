from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from asclf.bundle import read_bundle
from asclf.bundle.golden import golden_waveforms, load_golden
from asclf.checkpoint import load_checkpoint
from asclf.config import component_config
from asclf.edge.runtime import BundleClassifier
from asclf.errors import CheckpointError, ExportError
from asclf.export import onnx as export
from asclf.export.onnx import export_bundle
from asclf.export.parity import BATCH_SIZES, DURATIONS_S
from asclf.registry import BACKBONES, Entry
from asclf.score.classifier import CheckpointClassifier

MakeRun = Callable[[Path, str], Path]


def test_the_manifest_describes_the_checkpoint(tiny_run: Path, tiny_bundle: Path) -> None:
    checkpoint, manifest = load_checkpoint(tiny_run), read_bundle(tiny_bundle)
    assert manifest.name == "tiny"
    assert manifest.labels == checkpoint.labels.names
    assert manifest.frontend == checkpoint.model.frontend.describe()
    assert manifest.input.shape == ("batch", "frames", 40)
    assert manifest.output.shape == ("batch", 3)
    assert manifest.network.backbone == "ecapa_tdnn"
    parameters = sum(parameter.numel() for parameter in checkpoint.model.parameters())
    assert manifest.network.parameters == parameters
    assert manifest.network.macs > 500 * parameters / 2
    assert manifest.network.num_frames is None
    assert (manifest.training.epochs, manifest.training.test_fold) == (2, 1)


def test_the_parity_that_was_measured_is_recorded(tiny_bundle: Path) -> None:
    parity = read_bundle(tiny_bundle).parity
    assert parity.durations_s == DURATIONS_S
    assert parity.batch_sizes == BATCH_SIZES
    assert 0 <= parity.network_max_error < 1e-4
    assert 0 < parity.whole_max_error < 1e-2


def test_golden_logits_are_torchs(tiny_run: Path, tiny_bundle: Path) -> None:
    model = load_checkpoint(tiny_run).model
    goldens = load_golden(tiny_bundle / "golden.npz")
    assert goldens.keys() == golden_waveforms(16_000).keys()
    for golden in goldens.values():
        with torch.inference_mode():
            logits = model.classify_feats(torch.from_numpy(golden.feats)[None])[0]
        np.testing.assert_array_equal(golden.logits, logits.numpy())


@pytest.mark.parametrize("duration_s", [0.001, 0.3, 2.0, 7.0])
def test_the_bundle_gives_the_checkpoints_logits(
    tiny_run: Path, tiny_bundle: Path, duration_s: float
) -> None:
    waveform = torch.rand(round(duration_s * 16_000)) - 0.5
    with torch.inference_mode():
        expected = load_checkpoint(tiny_run).model(waveform[None])[0]
    logits = torch.from_numpy(BundleClassifier(tiny_bundle).logits(waveform.numpy()))
    torch.testing.assert_close(logits, expected, atol=1e-3, rtol=0)


@pytest.fixture
def wrong_graph(monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes the exported network differ from the trained one."""
    write_onnx = export.write_onnx

    def write_another(network: Any, path: Path, **options: Any) -> None:
        bias = network.network.head.output.bias
        with torch.no_grad():
            bias[0] += 0.01
        write_onnx(network, path, **options)
        with torch.no_grad():
            bias[0] -= 0.01

    monkeypatch.setattr(export, "write_onnx", write_another)


@pytest.mark.usefixtures("wrong_graph")
def test_a_graph_with_other_logits_leaves_nothing(tiny_run: Path, tmp_path: Path) -> None:
    with pytest.raises(ExportError, match=r"a logit of the exported model is off by 0\.01"):
        export_bundle(tiny_run, tmp_path / "deep" / "bundle")
    assert not list((tmp_path / "deep").iterdir())


@pytest.mark.usefixtures("wrong_graph")
def test_a_failed_export_leaves_the_older_bundle(
    tiny_run: Path, tiny_bundle: Path, tmp_path: Path
) -> None:
    older = Path(shutil.copytree(tiny_bundle, tmp_path / "bundle"))
    with pytest.raises(ExportError):
        export_bundle(tiny_run, older)
    BundleClassifier(older).check_golden()
    assert list(tmp_path.iterdir()) == [older]


def test_an_older_bundle_is_replaced_by_the_same_bytes(
    tiny_run: Path, tiny_bundle: Path, tmp_path: Path
) -> None:
    older = Path(shutil.copytree(tiny_bundle, tmp_path / "bundle"))
    (older / "leftover.txt").touch()
    export_bundle(tiny_run, older, name="tiny")
    assert list(tmp_path.iterdir()) == [older]
    assert {file.name: file.read_bytes() for file in older.iterdir()} == {
        file.name: file.read_bytes() for file in tiny_bundle.iterdir()
    }


def test_a_folder_of_something_else_is_never_replaced(tiny_run: Path, tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(ExportError, match=r"exists and is no bundle.*--out"):
        export_bundle(tiny_run, tmp_path)
    assert (tmp_path / "thesis.tex").read_text() == "years of work"


@pytest.mark.parametrize("name", ["mfcc", "mel_spectrogram", "spectrogram"])
def test_a_front_end_that_the_device_lacks_is_refused(
    make_run: MakeRun, tmp_path: Path, name: str
) -> None:
    text = f"{{frontend: {{type: {name}}}, backbone: {{type: ecapa_tdnn, channels: 8}}}}"
    run = make_run(tmp_path / "run", text)
    with pytest.raises(ExportError, match=rf"'{name}' has no implementation.*type: fbank"):
        export_bundle(run, tmp_path / "bundle")
    assert list(tmp_path.iterdir()) == [run]


@component_config
class RawConfig:
    """A backbone without options."""


class Raw(nn.Module):
    """Strided convolutions over samples (B, S, 1), with a mean at the end."""

    embed_dim = 6

    def __init__(self, _: RawConfig, *, feat_dim: int) -> None:
        super().__init__()
        self.conv = nn.Conv1d(feat_dim, 6, kernel_size=65, stride=16, padding=32)

    def forward(self, feats: Tensor, _: Tensor | None = None) -> Tensor:
        return self.conv(feats.transpose(1, 2)).square().mean(dim=2)


def test_a_network_that_takes_samples_is_exported(
    make_run: MakeRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(BACKBONES._entries, "raw", Entry("backbone", "raw", Raw, RawConfig))
    run = make_run(tmp_path / "run", "{frontend: {type: waveform}, backbone: {type: raw}}")
    manifest = export_bundle(run, tmp_path / "bundle")
    assert manifest.input.shape == ("batch", "frames", 1)
    classifier, trained = BundleClassifier(tmp_path / "bundle"), CheckpointClassifier(run)
    tone = np.sin(np.arange(9_999) / 10)
    assert classifier.predict(tone).score == pytest.approx(trained.predict(tone).score, abs=1e-5)


FIXED = """
frontend: {type: fbank, num_mel_bins: 40}
backbone: {type: ast_tiny, embed_dim: 12, num_heads: 2, depth: 1, num_frames: 64}
"""


def test_a_network_with_room_for_fixed_frames_takes_clips_of_any_length(
    make_run: MakeRun, tmp_path: Path
) -> None:
    run = make_run(tmp_path / "run", FIXED)
    manifest = export_bundle(run, tmp_path / "bundle")
    assert manifest.network.num_frames == 64
    assert set(manifest.parity.durations_s) - set(DURATIONS_S) == {0.635}  # 63.5 shifts of 10 ms
    assert "It hears 64 frames of a clip" in (tmp_path / "bundle/MODEL_CARD.md").read_text()
    classifier, trained = BundleClassifier(tmp_path / "bundle"), load_checkpoint(run).model
    for samples in (160, 4_000, 10_160, 10_240, 10_400, 50_000):
        waveform = torch.rand(samples) - 0.5
        with torch.inference_mode():
            expected = trained(waveform[None])[0]
        logits = torch.from_numpy(classifier.logits(waveform.numpy()))
        torch.testing.assert_close(logits, expected, atol=1e-3, rtol=0)


def test_a_folder_without_weights_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError):
        export_bundle(tmp_path, tmp_path / "bundle")
