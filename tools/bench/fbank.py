"""Times fbank on one core: batched torch, kaldi-native-fbank, torchaudio.compliance.kaldi.

    python tools/bench/fbank.py --json exp/bench/fbank.json

The goal is at most 2 ms per 5-s clip for the batched one, and less than torchaudio in the same run.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
from _timing import interleave, report
from torch import Tensor
from torchaudio.compliance import kaldi

from asclf.audio.features import FbankOptions, fbank
from asclf.frontends.fbank import Fbank, FbankConfig

SAMPLE_RATE = 16_000
CLIP_S = 5
BATCH_SIZE = 16
REFERENCE = "torchaudio.compliance.kaldi"


def main() -> None:
    """Measures, prints the table and writes it."""
    arguments = parse_arguments()
    torch.set_num_threads(1)
    seconds = interleave(make_cases(make_batch()), arguments.rounds)
    rows = make_rows({name: median(times) for name, times in seconds.items()})
    report(f"fbank, ms per {CLIP_S}-s clip on one core", rows, arguments.json)


def parse_arguments() -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--json", type=Path, default=Path("exp/bench/fbank.json"), metavar="FILE")
    parser.add_argument("--rounds", type=int, default=30, help="timed calls of each (default 30)")
    return parser.parse_args()


def make_batch() -> Tensor:
    """(B, S) of noise, since no step takes longer for one signal than for another."""
    generator = torch.Generator().manual_seed(0)
    return 0.1 * torch.randn(BATCH_SIZE, CLIP_S * SAMPLE_RATE, generator=generator)


def make_cases(waveform: Tensor) -> dict[str, Callable[[], object]]:
    """What is timed, each on the whole batch."""
    frontend = Fbank(FbankConfig(), sample_rate=SAMPLE_RATE)
    unfloored = Fbank(FbankConfig(floor_db=None), sample_rate=SAMPLE_RATE)
    lengths = torch.linspace(0.5, 1, BATCH_SIZE).mul(waveform.shape[1]).long()
    return {
        "asclf, batch": lambda: frontend(waveform),
        "asclf, batch with lengths": lambda: frontend(waveform, lengths),
        "asclf, batch without floor": lambda: unfloored(waveform),
        "kaldi-native-fbank": lambda: [native_fbank(clip.numpy()) for clip in waveform],
        REFERENCE: lambda: [torchaudio_fbank(clip) for clip in waveform],
    }


def native_fbank(clip: np.ndarray[Any, np.dtype[np.float32]]) -> object:
    """The implementation that runs on the device, floor and mean included."""
    return fbank(clip, SAMPLE_RATE, FbankOptions())


def torchaudio_fbank(clip: Tensor) -> Tensor:
    """The same energies by torchaudio; without floor and mean, which it has not."""
    feats: Tensor = kaldi.fbank(
        clip[None], num_mel_bins=80, dither=0.0, snip_edges=False, high_freq=-400.0
    )
    return feats


def make_rows(seconds: Mapping[str, float]) -> list[dict[str, Any]]:
    """One row a case, with its ratio to torchaudio."""
    return [
        {
            "implementation": name,
            "ms per clip": 1000 * time / BATCH_SIZE,
            "times as fast as torchaudio": seconds[REFERENCE] / time,
        }
        for name, time in seconds.items()
    ]


if __name__ == "__main__":
    main()
