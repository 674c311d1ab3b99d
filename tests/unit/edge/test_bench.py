from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from asclf.bundle.folder import read_bundle, write_bundle
from asclf.bundle.golden import load_golden
from asclf.edge.bench import BenchResult, benchmark
from asclf.edge.machine import cpu_model, peak_rss_bytes, usable_cores
from asclf.errors import BundleError


@pytest.fixture(scope="module")
def result(tiny_bundle: Path) -> BenchResult:
    return benchmark(tiny_bundle, duration_s=1.0, runs=9, warmup_runs=2)


def test_the_steps_add_up(result: BenchResult) -> None:
    for step in (result.frontend, result.network, result.whole):
        assert 0 < step.p50_ms <= step.p95_ms
    assert result.whole.p50_ms > max(result.frontend.p50_ms, result.network.p50_ms)
    assert result.real_time_factor == pytest.approx(result.whole.p50_ms / 1000)


def test_it_says_what_was_measured(result: BenchResult, tiny_bundle: Path) -> None:
    assert (result.name, result.duration_s, result.runs, result.threads) == ("tiny", 1.0, 9, 1)
    assert result.model_bytes == (tiny_bundle / "model.onnx").stat().st_size
    assert result.cpu
    assert result.load_ms > 0


def test_peak_memory_is_that_of_a_process_without_torch(result: BenchResult) -> None:
    ours = bytearray(400_000_000)  # a parent that holds more than the runtime ever does
    ours[::4096] = b"x" * len(ours[::4096])
    again = peak_rss_bytes() / 1e6
    assert 20 < result.peak_rss_mb < 300 < again


def test_the_result_survives_json(result: BenchResult) -> None:
    assert BenchResult.from_json(result.to_json()) == result
    assert json.loads(result.to_json())["whole"].keys() == {"p50_ms", "p95_ms"}


def test_a_bundle_with_wrong_logits_is_not_timed(tiny_bundle: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(tiny_bundle, tmp_path / "wrong"))
    goldens = load_golden(folder / "golden.npz")
    goldens["noise"].logits[:] = 0
    write_bundle(folder, read_bundle(folder), goldens)
    with pytest.raises(BundleError, match="clip noise: the logits differ from the golden ones"):
        benchmark(folder, runs=1)


def test_a_folder_without_a_bundle_fails_before_a_process_starts(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"bundle\.json cannot be read"):
        benchmark(tmp_path)


def test_the_machine_has_a_processor() -> None:
    assert cpu_model()
    assert usable_cores() >= 1
