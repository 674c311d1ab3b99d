"""What a bundle costs on this machine: latency, real-time factor and memory.

The measurement runs in a process of its own, with nothing loaded but what the device needs, so that
its peak memory is the runtime's. The golden vectors are checked first: a model that gives wrong
logits is not timed. Run as a module, this file is that process.
"""

from __future__ import annotations

import json
import platform
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from time import perf_counter

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from asclf.bundle.folder import MODEL, verify_bundle
from asclf.bundle.golden import noise
from asclf.edge.machine import cpu_model, peak_rss_bytes, usable_cores
from asclf.edge.network import Array
from asclf.edge.runtime import BundleClassifier
from asclf.errors import AsclfError, BundleError

USER_ERROR = 2


@dataclass(frozen=True)
class Latency:
    """Milliseconds that a step took, over all timed runs."""

    p50_ms: float
    p95_ms: float


@dataclass(frozen=True)
class BenchResult:
    """What was measured, and on what.

    Attributes:
        name: Of the bundle.
        duration_s: Length of the clip that was classified.
        threads: Threads that the network may use.
        warmup_runs: Runs before the timed ones.
        runs: Timed runs.
        load_ms: From opening the bundle to being ready, checksums included.
        frontend: Waveform to feats.
        network: Feats to logits.
        whole: Waveform to logits.
        real_time_factor: Median of `whole` over the clip's duration.
        peak_rss_mb: Peak resident memory of the process, in units of 1e6 bytes.
        model_bytes: Size of `model.onnx`.
        cpu: Model name of the processor.
        cores: Logical processors that the process may run on.
        python: Version.
        onnxruntime: Version.
    """

    name: str
    duration_s: float
    threads: int
    warmup_runs: int
    runs: int
    load_ms: float
    frontend: Latency
    network: Latency
    whole: Latency
    real_time_factor: float
    peak_rss_mb: float
    model_bytes: int
    cpu: str
    cores: int
    python: str
    onnxruntime: str

    def to_json(self) -> str:
        """The result as JSON text."""
        return json.dumps(asdict(self), indent=2) + "\n"

    @classmethod
    def from_json(cls, text: str) -> BenchResult:
        """Reads what `to_json` wrote."""
        values = json.loads(text)
        steps = {step: Latency(**values[step]) for step in ("frontend", "network", "whole")}
        return cls(**{**values, **steps})


def benchmark(
    folder: Path,
    *,
    duration_s: float = 5.0,
    threads: int = 1,
    runs: int = 100,
    warmup_runs: int = 10,
) -> BenchResult:
    """Measures a bundle in a fresh process.

    Args:
        folder: The bundle.
        duration_s: Length of the clip (seeded noise) that is classified again and again.
        threads: Threads that the network may use.
        runs: Timed runs.
        warmup_runs: Runs before them, in which onnxruntime and the caches settle.

    Raises:
        BundleError: The bundle is broken, or gives other logits than it was exported with.
    """
    verify_bundle(folder)
    options = {
        "folder": str(folder),
        "duration_s": duration_s,
        "threads": threads,
        "runs": runs,
        "warmup_runs": warmup_runs,
    }
    command = [sys.executable, "-m", "asclf.edge.bench", json.dumps(options)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise BundleError(done.stderr.strip().rpartition("\n")[2])
    return BenchResult.from_json(done.stdout)


def measure(
    folder: str | Path, *, duration_s: float, threads: int, runs: int, warmup_runs: int
) -> BenchResult:
    """Measures a bundle in this process; see `benchmark`."""
    start = perf_counter()
    classifier = BundleClassifier(folder, threads)
    load_s = perf_counter() - start
    classifier.check_golden()
    waveform = noise(round(duration_s * classifier.sample_rate), seed=0)
    for _ in range(warmup_runs):
        classifier.logits(waveform)
    seconds = np.array([_run(classifier, waveform) for _ in range(runs)])  # (runs, 2)
    frontend, network, whole = map(_latency, (*seconds.T, seconds.sum(axis=1)))
    return BenchResult(
        name=classifier.manifest.name,
        duration_s=duration_s,
        threads=threads,
        warmup_runs=warmup_runs,
        runs=runs,
        load_ms=1e3 * load_s,
        frontend=frontend,
        network=network,
        whole=whole,
        real_time_factor=whole.p50_ms / 1e3 / duration_s,
        peak_rss_mb=peak_rss_bytes() / 1e6,
        model_bytes=classifier.manifest.files[MODEL].bytes,
        cpu=cpu_model(),
        cores=usable_cores(),
        python=platform.python_version(),
        onnxruntime=onnxruntime.__version__,
    )


def _run(classifier: BundleClassifier, waveform: Array) -> tuple[float, float]:
    """Classifies once; returns the seconds of front end and network."""
    start = perf_counter()
    feats = classifier.feats(waveform)
    middle = perf_counter()
    classifier.network.logits(feats[np.newaxis])
    return middle - start, perf_counter() - middle


def _latency(seconds: NDArray[np.float64]) -> Latency:
    p50, p95 = np.percentile(1e3 * seconds, (50, 95))
    return Latency(float(p50), float(p95))


def main() -> int:
    """The measuring process: options as JSON in, result as JSON (or an error line) out."""
    try:
        result = measure(**json.loads(sys.argv[1]))
    except AsclfError as error:
        sys.stderr.write(f"{error}\n")
        return USER_ERROR
    sys.stdout.write(result.to_json())
    return 0


if __name__ == "__main__":
    sys.exit(main())
