"""Makes a small dataset of generated sounds, and its manifest.

    python local/prepare.py audio --out data/audio
    python local/prepare.py audio --task multi --out data/audio_multi
    python local/prepare.py manifest --audio data/audio --out data/synth.jsonl

A clip has one sound, or with `--task multi` one to three that are heard together.
Every clip has random parameters and noise of its own, from 20 dB below the sound up to as strong as
it, so that a model has something to learn. A clip's sound follows from its name alone.
"""

from __future__ import annotations

import argparse
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeAlias

import numpy as np
import soundfile
from numpy.random import Generator
from numpy.typing import NDArray

from asclf.data.manifest import Clip, write_manifest

Signal: TypeAlias = NDArray[np.floating]

SAMPLE_RATE = 16_000
DURATION_S = 2.0
TIME_S = np.arange(round(SAMPLE_RATE * DURATION_S)) / SAMPLE_RATE
FOLDS = (1, 2, 3, 4)


def tone(random: Generator) -> Signal:
    """A steady sine."""
    return oscillate(np.full_like(TIME_S, pitch_hz(random)))


def chirp(random: Generator) -> Signal:
    """A sine that glides by one to three octaves, up or down."""
    octaves = random.uniform(1, 3) * random.choice([-1, 1])
    return oscillate(800 * 2 ** (octaves * (TIME_S / DURATION_S - 0.5)))


def siren(random: Generator) -> Signal:
    """A sine whose pitch swings several times a second."""
    swing = 0.4 * np.sin(2 * np.pi * random.uniform(1.5, 6) * TIME_S)
    return oscillate(pitch_hz(random) * 2**swing)


def tremolo(random: Generator) -> Signal:
    """A sine whose loudness swings several times a second."""
    swing = 0.5 + 0.5 * np.sin(2 * np.pi * random.uniform(3, 12) * TIME_S)
    return swing * tone(random)


def buzz(random: Generator) -> Signal:
    """A low pitch with all its harmonics."""
    pitch = np.full_like(TIME_S, random.uniform(70, 250))
    return sum((oscillate(pitch * n) / n for n in range(1, 20)), np.zeros_like(TIME_S))


def hiss(random: Generator) -> Signal:
    """Noise in a band of one octave."""
    low_hz = random.uniform(300, 3500)
    spectrum = np.fft.rfft(random.standard_normal(TIME_S.size))
    spectrum[~inside(np.fft.rfftfreq(TIME_S.size, 1 / SAMPLE_RATE), low_hz, 2 * low_hz)] = 0
    return np.fft.irfft(spectrum, TIME_S.size)


def clicks(random: Generator) -> Signal:
    """Short bursts of noise, regularly repeated."""
    since_last_s = np.mod(TIME_S, 1 / random.uniform(3, 12))
    return random.standard_normal(TIME_S.size) * np.exp(-since_last_s / 0.004)


def drops(random: Generator) -> Signal:
    """Short tones of random pitch at random times."""
    signal = np.zeros_like(TIME_S)
    for start_s in random.uniform(0, DURATION_S, size=random.integers(4, 12)):
        age_s = np.maximum(TIME_S - start_s, 0)
        signal += tone(random) * np.exp(-age_s / 0.05) * (age_s > 0)
    return signal


CLASSES: Mapping[str, Callable[[Generator], Signal]] = {
    make.__name__: make for make in (tone, chirp, siren, tremolo, buzz, hiss, clicks, drops)
}


def pitch_hz(random: Generator) -> float:
    """A pitch between 250 and 3000 Hz, even on a logarithmic scale."""
    return float(np.exp(random.uniform(np.log(250), np.log(3000))))


def oscillate(frequency_hz: Signal) -> Signal:
    """A sine of changing frequency."""
    return np.sin(2 * np.pi * np.cumsum(frequency_hz) / SAMPLE_RATE)


def inside(values: Signal, low: float, high: float) -> NDArray[np.bool_]:
    """Which values lie in a range."""
    return (low <= values) & (values < high)


def make_clip(name: str) -> Signal:
    """A clip of the sounds that its name tells, with noise, at most 0.9 loud.

    Each sound after the first is up to 6 dB below it. The same name gives the same clip.
    """
    random = np.random.default_rng(zlib.crc32(name.encode()))
    first, *others = read_labels(name)
    mix = at_level(CLASSES[first](random), 0)
    for label in others:
        mix += at_level(CLASSES[label](random), -random.uniform(0, 6))
    noise = random.standard_normal(TIME_S.size)
    mix += at_level(noise, -random.uniform(0, 20))
    return mix * (random.uniform(0.05, 0.9) / np.abs(mix).max())


def at_level(signal: Signal, level_db: float) -> Signal:
    """A signal at a level, 0 dB being a root mean square of 1."""
    return signal / rms(signal) * 10 ** (level_db / 20)


def rms(signal: Signal) -> float:
    """The root mean square."""
    return float(np.sqrt(np.mean(signal**2)))


def make_audio(out: Path, clips_per_class: int, *, is_multi: bool = False) -> None:
    """Writes `FOLD-LABEL+LABEL-NUMBER.wav` for every clip, the folds in turn.

    Clips that an earlier call made, of more of them, are deleted: the manifest lists what is there.
    """
    out.mkdir(parents=True, exist_ok=True)
    earlier = set(out.glob("[0-9]*-*-*.wav"))
    for label in CLASSES:
        for number in range(clips_per_class):
            labels = "+".join([label, *(draw_others(label, number) if is_multi else ())])
            name = f"{FOLDS[number % len(FOLDS)]}-{labels}-{number}"
            soundfile.write(out / f"{name}.wav", make_clip(name), SAMPLE_RATE)
            earlier.discard(out / f"{name}.wav")
    for path in earlier:
        path.unlink()
    print(f"{clips_per_class} clips of each of {len(CLASSES)} classes in {out}")


def draw_others(label: str, number: int) -> list[str]:
    """None to two sounds that are heard beside a clip's first."""
    random = np.random.default_rng(zlib.crc32(f"{label}-{number}".encode()))
    others = [other for other in CLASSES if other != label]
    return [str(other) for other in random.choice(others, random.integers(3), replace=False)]


def make_manifest(audio: Path, out: Path) -> None:
    """Writes the manifest of what `make_audio` wrote."""
    clips = [read_name(path) for path in sorted(audio.glob("*.wav"))]
    write_manifest(out, clips)
    print(f"{len(clips)} clips in {out}")


def read_name(path: Path) -> Clip:
    """The clip of a file."""
    fold, _, _ = path.stem.split("-")
    return Clip(path.stem, path, read_labels(path.stem), fold=int(fold), source_id=path.stem)


def read_labels(name: str) -> tuple[str, ...]:
    """The labels in the name of a clip."""
    return tuple(name.split("-")[1].split("+"))


def main() -> None:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    steps = parser.add_subparsers(dest="step", required=True)
    audio = steps.add_parser("audio", help="generate the sounds")
    audio.add_argument("--out", type=Path, required=True)
    audio.add_argument("--clips-per-class", type=int, default=20)
    audio.add_argument("--task", choices=("single", "multi"), default="single")
    manifest = steps.add_parser("manifest", help="list them")
    manifest.add_argument("--audio", type=Path, required=True)
    manifest.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    if options.step == "audio":
        make_audio(options.out, options.clips_per_class, is_multi=options.task == "multi")
    else:
        make_manifest(options.audio, options.out)


if __name__ == "__main__":
    main()
