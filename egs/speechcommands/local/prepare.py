"""Speech Commands v2: the official release, and the manifest of one of its two tasks.

    prepare.py download --out data/speech_commands_v2
    prepare.py manifest --data-dir data/speech_commands_v2 --task v2-12 --out data/v2-12.jsonl

Source: Warden, "Speech Commands: A Dataset for Limited-Vocabulary Speech Recognition", 2018
(arXiv:1804.03209), and the README of the release. SHA-256 and size of the release are those that
TensorFlow Datasets and torchaudio hold it to.

`v2-35` is every word. `v2-12` is ten of them, `_unknown_` (other words) and `_silence_` (one second
of the recordings of background noise), each of the two a tenth as many as the ten words, in each
split. Which other words, and which seconds at which level, is drawn from a seed. Silence is drawn
from the first 80 % of a recording for training, from the next tenth for validation and from the
last for the test, so that no sample of noise is in two splits.
"""

from __future__ import annotations

import argparse
import hashlib
import logging
import math
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.random import Generator

from asclf.audio.folder import SUFFIXES
from asclf.audio.io import encode_flac, load_audio
from asclf.data.download import RemoteFile
from asclf.data.manifest import Clip, Split, write_manifest, write_missing
from asclf.data.release import fetch_release, release_parser
from asclf.errors import AsclfError, DataError

OFFICIAL = RemoteFile(
    url="https://storage.googleapis.com/download.tensorflow.org/data/speech_commands_v0.02.tar.gz",
    sha256="af14739ee7dc311471de98f5f9d2c9191b18aedfe957f4a6ff791c709868ff58",
    size=2_428_923_189,
)
RECORDINGS = 105_829
COMMANDS = ("yes", "no", "up", "down", "left", "right", "on", "off", "stop", "go")
OTHER_WORDS = (
    *("backward", "bed", "bird", "cat", "dog", "eight", "five", "follow", "forward", "four"),
    *("happy", "house", "learn", "marvin", "nine", "one", "seven", "sheila", "six", "three"),
    *("tree", "two", "visual", "wow", "zero"),
)
WORDS = (*COMMANDS, *OTHER_WORDS)
UNKNOWN, SILENCE = "_unknown_", "_silence_"
NOISE = "_background_noise_"
LISTS: Mapping[Split, str] = {"validation": "validation_list.txt", "test": "testing_list.txt"}
SHARE = 0.1  # of the ten words' clips in a split: so many of _unknown_, and of _silence_
STRETCH: Mapping[Split, tuple[float, float]] = {
    "train": (0.0, 0.8),
    "validation": (0.8, 0.9),
    "test": (0.9, 1.0),
}
SAMPLE_RATE = 16_000
BUCKETS = 1 << 27

logger = logging.getLogger("speechcommands")


def make_manifest(data_dir: Path, task: str, seed: int, out: Path) -> list[Clip]:
    """Writes the manifest of a task, and beside it what the copy lacks.

    Args:
        data_dir: A copy of the release with any of its words.
        task: `v2-35` or `v2-12`.
        seed: Decides what is drawn for `v2-12`.
        out: The manifest; seconds of silence go to a folder of its name.

    Raises:
        DataError: There is no recording of any word, or only one of the official lists.
    """
    words = find_recordings(data_dir)
    if not words:
        hint = "give --data-dir the folder that holds the words, or run stage 0"
        raise DataError("no recording of any word is here", where=data_dir, hint=hint)
    clips = words if task == "v2-35" else draw_task(words, data_dir, seed, out)
    missing = describe_missing(words, clips, task)
    for word in sorted(set(WORDS) - {clip.labels[0] for clip in words}):
        logger.warning("there is no recording of %r", word)
    logger.info("%s: %s", task, describe(clips))
    write_manifest(out, clips)
    write_missing(out, missing)
    return clips


def find_recordings(data_dir: Path) -> list[Clip]:
    """Every recording of a word, in the split of its speaker."""
    split_of = read_lists(data_dir) or (lambda path: hash_split(speaker_of(path)))
    clips = []
    for word in sorted(WORDS):
        for path in sorted((data_dir / word).glob("*_nohash_*")):
            if path.suffix in SUFFIXES:
                clip_id = f"{word}/{path.stem}"
                split, speaker = split_of(path), speaker_of(path)
                clips.append(Clip(clip_id, path, (word,), source_id=speaker, split=split))
    return clips


def speaker_of(path: Path) -> str:
    """The name of a recording up to `_nohash_`: an id that the release gives each speaker."""
    return re.sub(r"_nohash_.*", "", path.name)


def hash_split(speaker: str) -> Split:
    """The official rule: the SHA-1 of the speaker's id decides, a tenth for each of two splits."""
    bucket = int(hashlib.sha1(speaker.encode(), usedforsecurity=False).hexdigest(), 16) % BUCKETS
    percent = bucket * 100 / (BUCKETS - 1)
    if percent < 10:
        return "validation"
    return "test" if percent < 20 else "train"


def read_lists(data_dir: Path) -> Callable[[Path], Split] | None:
    """The official lists where the copy has them; `None` where it has neither.

    Raises:
        DataError: It has one of the two.
    """
    there = [name for name in LISTS.values() if (data_dir / name).is_file()]
    if not there:
        logger.info("%s has no lists of splits: the speaker's hash decides", data_dir)
        return None
    splits: dict[str, Split] = {}
    for split, name in LISTS.items():
        if name not in there:
            raise DataError("one of the two official lists is missing", where=data_dir / name)
        lines = (data_dir / name).read_text(encoding="utf-8").split()
        splits |= {line.rpartition(".")[0]: split for line in lines}
    return lambda path: splits.get(f"{path.parent.name}/{path.stem}", "train")


def draw_task(words: Sequence[Clip], data_dir: Path, seed: int, out: Path) -> list[Clip]:
    """The ten words, with what is drawn for the two labels beside them."""
    logger.info("_unknown_ and _silence_ are drawn with the seed %d", seed)
    silence = out.with_name(f"{out.stem}_silence")
    noises = sorted(path for path in (data_dir / NOISE).glob("*") if path.suffix in SUFFIXES)
    clips: list[Clip] = []
    for number, split in enumerate(STRETCH):
        random = np.random.default_rng([seed, number])
        commands = [clip for clip in words if clip.split == split and clip.labels[0] in COMMANDS]
        others = [clip for clip in words if clip.split == split and clip.labels[0] in OTHER_WORDS]
        wanted = math.ceil(SHARE * len(commands))
        clips += commands
        clips += draw_unknown(others, wanted, random)
        clips += draw_silence(noises, wanted, split, random, silence)
    return clips


def draw_unknown(others: Sequence[Clip], wanted: int, random: Generator) -> list[Clip]:
    """Some of the other words' clips, under their common label."""
    if len(others) < wanted:
        logger.warning("%d clips of other words are too few for %d", len(others), wanted)
    chosen = random.permutation(len(others))[:wanted]
    return [replace(others[i], labels=(UNKNOWN,)) for i in sorted(chosen.tolist())]


def draw_silence(
    noises: Sequence[Path], wanted: int, split: Split, random: Generator, folder: Path
) -> Iterator[Clip]:
    """Writes seconds of noise, from random places of random recordings, at random levels."""
    if wanted and not noises:
        logger.warning("there is no %s: no clip of %s", NOISE, SILENCE)
        return
    recordings = [load_audio(path, SAMPLE_RATE) for path in noises]
    first, last = STRETCH[split]
    for number in range(wanted):
        choice = int(random.integers(len(noises)))
        waveform = recordings[choice]
        begin, end = (round(share * len(waveform)) for share in (first, last))
        start = begin + int(random.integers(max(1, end - begin - SAMPLE_RATE + 1)))
        second = waveform[start : min(start + SAMPLE_RATE, end)] * random.uniform()
        path = folder / f"{split}-{number:05d}.flac"
        write_new(path, encode_flac(second.astype(np.float32), SAMPLE_RATE))
        source = f"{noises[choice].stem} ({split})"
        yield Clip(f"{SILENCE}/{path.stem}", path, (SILENCE,), source_id=source, split=split)


def write_new(path: Path, content: bytes) -> None:
    """Writes a file unless it is there with that content: shards of it then stay true."""
    if not path.is_file() or path.read_bytes() != content:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def describe_missing(words: Sequence[Clip], clips: Sequence[Clip], task: str) -> str:
    """What a copy lacks of the release, in words; `""` where it lacks nothing."""
    absent = sorted(set(WORDS) - {clip.labels[0] for clip in words})
    parts = [f"{len(absent)} of 35 words ({', '.join(absent)})"] if absent else []
    if len(words) < RECORDINGS:
        parts.append(f"{RECORDINGS - len(words)} of {RECORDINGS} recordings")
    tested = {clip.labels[0] for clip in clips if clip.split == "test"}
    drawn = {UNKNOWN, SILENCE} if task == "v2-12" else set()
    parts += [f"{label} in the test" for label in sorted(drawn - tested)]
    return "; ".join(parts)


def describe(clips: Sequence[Clip]) -> str:
    """How many clips each split has, of how many labels."""
    counts = {split: sum(clip.split == split for clip in clips) for split in STRETCH}
    labels = {clip.labels[0] for clip in clips}
    parts = ", ".join(f"{count} {split}" for split, count in counts.items())
    return f"{len(clips)} clips of {len(labels)} labels ({parts})"


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one of the two stages; 2 stands for a user's error, told in one line."""
    options = _parse(arguments)
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s")
    try:
        if options.stage == "download":
            fetch_release(options, OFFICIAL)
        else:
            make_manifest(options.data_dir, options.task, options.seed, options.out)
    except AsclfError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser, manifest = release_parser(__doc__, OFFICIAL)
    manifest.add_argument("--data-dir", type=Path, required=True, help="has a folder a word")
    manifest.add_argument("--task", choices=("v2-35", "v2-12"), default="v2-35")
    manifest.add_argument("--seed", type=int, default=0, help="for v2-12 (default: 0)")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
