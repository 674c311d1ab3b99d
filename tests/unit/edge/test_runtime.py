from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from asclf.bundle.folder import read_bundle, write_bundle
from asclf.bundle.golden import load_golden, noise, sweep
from asclf.edge.runtime import BundleClassifier
from asclf.errors import AudioError, BundleError
from asclf.score.classifier import CheckpointClassifier


@pytest.fixture(scope="module")
def classifier(tiny_bundle: Path) -> BundleClassifier:
    return BundleClassifier(tiny_bundle)


@pytest.fixture
def copied_bundle(tiny_bundle: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_bundle, tmp_path / "bundle"))


def test_it_knows_labels_and_sample_rate(classifier: BundleClassifier) -> None:
    assert classifier.labels == ("cat", "dog", "rain")
    assert classifier.sample_rate == 16_000


def test_a_file_is_classified_as_its_checkpoint_does(
    classifier: BundleClassifier, tiny_run: Path, tmp_path: Path
) -> None:
    path = tmp_path / "sirène 1.wav"
    stereo = np.stack([sweep(44_100, 44_100), noise(44_100, seed=3)], axis=1)
    soundfile.write(path, stereo, 44_100, subtype="PCM_24")
    prediction = classifier.predict(path)
    expected = CheckpointClassifier(tiny_run).predict(path)
    assert prediction.clip == str(path)
    assert prediction.label == expected.label
    for label, score in expected.scores.items():
        assert prediction.scores[label] == pytest.approx(score, abs=1e-4)


def test_samples_at_another_rate_are_resampled(classifier: BundleClassifier) -> None:
    at_16k, at_48k = (
        classifier.predict(sweep(2 * rate, rate)[: rate // 2], rate) for rate in (16_000, 48_000)
    )
    assert at_48k.score == pytest.approx(at_16k.score, abs=0.02)


@pytest.mark.parametrize("samples", [1, 10, 399, 400, 401, 8_000, 80_000])
def test_any_length_gives_finite_logits(classifier: BundleClassifier, samples: int) -> None:
    logits = classifier.logits(noise(samples, seed=1))
    assert logits.shape == (3,)
    assert np.isfinite(logits).all()


def test_digital_silence_gives_scores(classifier: BundleClassifier) -> None:
    prediction = classifier.predict(np.zeros(16_000, np.float32))
    assert sum(prediction.scores.values()) == pytest.approx(1)


def test_audio_that_cannot_be_used_is_named(classifier: BundleClassifier, tmp_path: Path) -> None:
    path = tmp_path / "text.wav"
    path.write_text("not audio")
    with pytest.raises(AudioError, match=r"text\.wav"):
        classifier.predict(path)


def test_golden_vectors_hold(classifier: BundleClassifier) -> None:
    classifier.check_golden()


def test_golden_vectors_of_another_network_are_noticed(copied_bundle: Path) -> None:
    goldens = load_golden(copied_bundle / "golden.npz")
    goldens["sweep"].logits[1] += 0.1
    write_bundle(copied_bundle, read_bundle(copied_bundle), goldens)
    with pytest.raises(BundleError, match="clip sweep: the logits differ"):
        BundleClassifier(copied_bundle).check_golden()


def test_a_changed_model_is_never_loaded(copied_bundle: Path) -> None:
    with (copied_bundle / "model.onnx").open("ab") as file:
        file.write(b"\0")
    with pytest.raises(BundleError, match="has changed"):
        BundleClassifier(copied_bundle)


def test_a_model_that_onnxruntime_cannot_read_is_a_bundle_error(copied_bundle: Path) -> None:
    (copied_bundle / "model.onnx").write_bytes(b"no network")
    goldens = load_golden(copied_bundle / "golden.npz")
    write_bundle(copied_bundle, read_bundle(copied_bundle), goldens)
    with pytest.raises(BundleError, match=r"onnxruntime .* cannot load it"):
        BundleClassifier(copied_bundle)


def test_threads_do_not_change_the_logits(tiny_bundle: Path, classifier: BundleClassifier) -> None:
    waveform = noise(16_000, seed=5)
    two = BundleClassifier(tiny_bundle, threads=2).logits(waveform)
    np.testing.assert_allclose(two, classifier.logits(waveform), atol=1e-5)


def test_neither_the_runtime_nor_the_benchmark_imports_torch() -> None:
    code = (
        "import sys, asclf.edge.runtime, asclf.edge.bench, asclf.api;"
        "sys.exit(sorted({'torch', 'torchaudio', 'webdataset', 'onnx'} & set(sys.modules)) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_real_recordings_give_the_checkpoints_scores(
    classifier: BundleClassifier, tiny_run: Path, real_data: Path
) -> None:
    trained = CheckpointClassifier(tiny_run)
    files = sorted((real_data / "ESC-50" / "audio").iterdir())[::200]
    assert files
    for file in files:
        expected = list(trained.predict(file).scores.values())
        scores = list(classifier.predict(file).scores.values())
        np.testing.assert_allclose(scores, expected, atol=1e-3)
