"""Clips a second and core, from shards to a training batch of features.

    python tools/bench/data.py --audio ESC-50/audio --macls-python ../venv-macls/bin/python

Beside it, where an environment with the PyPI package `macls` is named, that package's dataset
class makes batches of the same features from the recordings at their own sample rate, as 16-bit
WAV, which is what its users have. Both run with one thread and no worker, in turn. The goal is at
least 120 clips/s, and 15 times `macls`.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import soundfile
import torch
from _timing import interleave, report

from asclf.audio.io import decode
from asclf.config.experiment import DataConfig
from asclf.data.manifest import Clip, write_manifest
from asclf.data.pipeline import TrainStream
from asclf.data.shards import write_shards
from asclf.frontends.fbank import Fbank, FbankConfig

SAMPLE_RATE = 16_000
CLIP_S = 5
BATCH_SIZE = 16
OURS, THEIRS = "asclf, shards", "macls, MAClsDataset"


def main(argv: Sequence[str] | None = None) -> int:
    """Prepares the clips, times both, prints the table and writes it."""
    options = _parse(argv)
    files = sorted(path for path in options.audio.glob("*") if path.is_file())
    if len(files) < options.clips:
        print(f"{options.audio}: {len(files)} recordings; expected at least {options.clips}")
        return 2
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        clips = _prepare(files[:: len(files) // options.clips][: options.clips], Path(folder))
        cases = {OURS: _ours(clips, Path(folder))}
        with _macls(options.macls_python, clips, Path(folder)) as theirs:
            cases |= {THEIRS: theirs} if theirs else {}
            seconds = interleave(cases, options.rounds)
    title = f"{CLIP_S}-s clips to batches of fbank: one core, median of {options.rounds} rounds"
    report(title, _rows(seconds, options.clips), options.json)
    return 0


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    default = Path(os.environ.get("ASCLF_DATA", ".")) / "ESC-50" / "audio"
    parser.add_argument("--audio", type=Path, default=default, help="folder of 5-s recordings")
    parser.add_argument("--macls-python", type=Path, help="interpreter that can import macls")
    parser.add_argument("--clips", type=int, default=64, help="clips in a round (default 64)")
    parser.add_argument("--rounds", type=int, default=9, help="timed rounds of each (default 9)")
    parser.add_argument("--json", type=Path, default=Path("exp/bench/data.json"), metavar="FILE")
    return parser.parse_args(argv)


def _prepare(files: Sequence[Path], folder: Path) -> list[Clip]:
    """Copies recordings as 16-bit WAV at their own rate, so that both read the same files."""
    clips = []
    for path in files:
        samples, sample_rate = decode(path)
        copy = folder / f"{path.stem}.wav"
        soundfile.write(copy, np.clip(samples, -1, 1), sample_rate, subtype="PCM_16")
        clips.append(Clip(path.stem, copy, ("sound",), fold=1))
    return clips


def _ours(clips: Sequence[Clip], folder: Path) -> Callable[[], int]:
    write_manifest(folder / "manifest.jsonl", clips)
    index = write_shards(folder / "manifest.jsonl", folder / "shards", sample_rate=SAMPLE_RATE)
    config = DataConfig(batch_size=BATCH_SIZE, num_workers=0)
    stream = TrainStream(index, index.shards, config=config, clip_augmenters=(), seed=0)
    frontend = Fbank(FbankConfig(), sample_rate=SAMPLE_RATE)

    def run() -> int:
        return sum(len(frontend(batch.waveform)[0]) for batch in stream.epoch(0))

    return _counted(run, len(clips))


@contextmanager
def _macls(
    python: Path | None, clips: Sequence[Clip], folder: Path
) -> Iterator[Callable[[], int] | None]:
    """A process of `macls` that works on request, or `None` and a line that says so."""
    if python is None:
        print("macls is left out: name an environment that has it with --macls-python")
        yield None
        return
    listed = folder / "macls.txt"
    listed.write_text("".join(f"{clip.path}\t0\n" for clip in clips), encoding="utf-8")
    script = Path(__file__).with_name("_macls_data.py")
    arguments = [*map(str, (python, script, listed, SAMPLE_RATE, CLIP_S, BATCH_SIZE))]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    with subprocess.Popen(
        arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    ) as process:
        requests, answers = process.stdin, process.stdout
        assert requests is not None
        assert answers is not None

        def run() -> int:
            print(file=requests, flush=True)
            return int(answers.readline() or 0)  # nothing where the process died

        yield _counted(run, len(clips))
        requests.close()


def _counted(run: Callable[[], int], expected: int) -> Callable[[], int]:
    """Refuses a figure for which not every clip was made."""

    def run_and_count() -> int:
        count = run()
        if count != expected:
            raise SystemExit(f"{count} clips were made; expected {expected}")
        return count

    return run_and_count


def _rows(seconds: dict[str, list[float]], clips: int) -> list[dict[str, Any]]:
    reference = seconds.get(THEIRS)
    return [
        {
            "pipeline": name,
            "clips_per_s": clips / median(times),
            "ms_per_clip": 1000 * median(times) / clips,
            "x macls": median(reference) / median(times) if reference else None,
        }
        for name, times in seconds.items()
    ]


if __name__ == "__main__":
    sys.exit(main())
