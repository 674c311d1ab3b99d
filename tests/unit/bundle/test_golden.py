from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from asclf.bundle.golden import Golden, golden_waveforms, load_golden, save_golden
from asclf.errors import BundleError

RAMP = np.linspace(-1, 1, 12, dtype=np.float32)
GOLDEN = Golden(RAMP, RAMP.reshape(4, 3), RAMP[:5])


def test_golden_waveforms_are_the_same_every_time_and_within_full_scale() -> None:
    first, again = golden_waveforms(16_000), golden_waveforms(16_000)
    assert {len(waveform) for waveform in first.values()} >= {160, 8_000, 16_000}
    for name, waveform in first.items():
        assert waveform.dtype == np.float32
        assert np.abs(waveform).max() <= 1
        np.testing.assert_array_equal(waveform, again[name])
    assert not first["silence"].any()


def test_golden_vectors_come_back_from_the_file(tmp_path: Path) -> None:
    path = tmp_path / "golden.npz"
    save_golden(path, {"a.b": GOLDEN, "c": replace(GOLDEN, logits=RAMP)})
    loaded = load_golden(path)
    assert list(loaded) == ["a.b", "c"]
    np.testing.assert_array_equal(loaded["a.b"].feats, GOLDEN.feats)
    np.testing.assert_array_equal(loaded["c"].logits, RAMP)


def test_the_file_is_the_same_to_the_byte_every_time(tmp_path: Path) -> None:
    for name in ("a.npz", "b.npz"):
        save_golden(tmp_path / name, {"x": GOLDEN})
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()


@pytest.mark.parametrize("content", [None, b"", b"not a zip", b"PK\x03\x04cut"])
def test_a_broken_file_is_a_bundle_error(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "golden.npz"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(BundleError, match="cannot be read"):
        load_golden(path)


def test_a_file_without_logits_is_a_bundle_error(tmp_path: Path) -> None:
    path = tmp_path / "golden.npz"
    np.savez(path, **{"x.waveform": RAMP, "x.feats": RAMP})
    with pytest.raises(BundleError, match=r"x\.logits"):
        load_golden(path)


def test_rounding_passes_the_check() -> None:
    GOLDEN.check(GOLDEN.feats + 5e-3, GOLDEN.logits + 5e-4, "here")


@pytest.mark.parametrize(
    ("feats", "logits", "message"),
    [
        (GOLDEN.feats + 0.1, GOLDEN.logits, "here: the feats differ from the golden ones by 0.1"),
        (GOLDEN.feats[:-1], GOLDEN.logits, r"in shape: \(3, 3\)"),
        (GOLDEN.feats, GOLDEN.logits + 0.01, "the logits differ from the golden ones by 0.01"),
        (GOLDEN.feats, GOLDEN.logits * np.nan, "the logits differ"),
    ],
)
def test_another_result_fails_the_check(
    feats: np.ndarray, logits: np.ndarray, message: str
) -> None:
    with pytest.raises(BundleError, match=message):
        GOLDEN.check(feats, logits, "here")
