"""Leakage in a manifest: how its clips may be parted, and what each clip is recognised by."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from asclf.audio.io import load_audio
from asclf.data.fingerprint import SAMPLE_RATE, Fingerprint, fingerprint
from asclf.data.fingerprint_search import find_matches, is_comparable
from asclf.data.grouping import join
from asclf.data.inspect_jobs import Progress, map_in_processes
from asclf.data.leakage import Finding, Traits, compare
from asclf.data.manifest import Clip
from asclf.errors import AudioError, DataError
from asclf.files import sha256_of


@dataclass(frozen=True)
class Parting:
    """A way to part clips: the numbers of those that are trained on, and of those tested."""

    name: str
    train: tuple[int, ...]
    test: tuple[int, ...]


def official_partings(clips: Sequence[Clip]) -> list[Parting]:
    """Each fold left out in turn; without folds, the splits `validation` and `test`.

    Raises:
        DataError: The clips have neither.
    """
    folds = sorted({clip.fold for clip in clips if clip.fold is not None})
    if folds:
        return [_leave_out(f"fold {fold}", [clip.fold == fold for clip in clips]) for fold in folds]
    splits = sorted({clip.split for clip in clips if clip.split not in (None, "train")})
    if not splits:
        raise DataError(
            "the clips have neither folds nor splits",
            hint="try a split with --random 0.2, or compare with another manifest: --against",
        )
    return [_hold_out(split, clips) for split in splits]


def random_parting(clips: Sequence[Clip], share: float, seed: int) -> Parting:
    """A share of the clips, drawn at random, as test; one clip at least, and never all."""
    wanted = min(max(1, round(share * len(clips))), len(clips) - 1)
    chosen = set(random.Random(seed).sample(range(len(clips)), wanted))
    return _leave_out(f"random {share:g}, seed {seed}", [i in chosen for i in range(len(clips))])


def every_nth_parting(clips: Sequence[Clip], step: int) -> Parting:
    """Every n-th clip of the list as test, from the first one on."""
    return _leave_out(f"one clip in {step}", [i % step == 0 for i in range(len(clips))])


def find_leakage(traits: Sequence[Traits], partings: Sequence[Parting]) -> list[Finding]:
    """What test and training have in common, for each parting of the clips."""
    return [
        compare(parting.name, [traits[i] for i in parting.train], [traits[i] for i in parting.test])
        for parting in partings
    ]


def known_traits(clips: Sequence[Clip]) -> list[Traits]:
    """What is known of clips without their audio: the source."""
    return [Traits(clip.clip_id, source=clip.source_id) for clip in clips]


def heard_traits(
    clips: Sequence[Clip], *, jobs: int = 1, progress: Progress | None = None
) -> list[Traits]:
    """What is known of clips when they are listened to; no audio, no bytes and no sound.

    Args:
        clips: The clips.
        jobs: Processes that decode.
        progress: Called after each clip with the clips done and the clips that there are.

    Raises:
        DataError: A process was killed.
    """
    heard = map_in_processes(_hear, clips, jobs=jobs, progress=progress)
    matches = find_matches([sound.fingerprint for sound in heard])
    groups = join(len(clips), [(match.first, match.second) for match in matches])
    return [
        Traits(
            clip.clip_id,
            source=clip.source_id,
            bytes=sound.digest,
            sound=f"like {clips[group].clip_id}" if is_comparable(sound.fingerprint) else None,
        )
        for clip, sound, group in zip(clips, heard, groups, strict=True)
    ]


@dataclass(frozen=True, eq=False)
class _Heard:
    digest: str | None
    fingerprint: Fingerprint


def _hear(clip: Clip) -> _Heard:
    """Hash and fingerprint of a clip; of one that cannot be read, neither."""
    try:
        waveform = load_audio(
            clip.path, SAMPLE_RATE, start_s=clip.start_s, duration_s=clip.duration_s
        )
        digest = sha256_of(clip.path)
    except (AudioError, OSError):
        return _Heard(None, fingerprint([]))
    is_whole = clip.start_s == 0 and clip.duration_s is None
    cut = "" if is_whole else f" {clip.start_s:g} {clip.duration_s}"
    return _Heard(digest + cut, fingerprint([waveform]))


def _leave_out(name: str, is_test: Sequence[bool]) -> Parting:
    train = tuple(i for i, test in enumerate(is_test) if not test)
    return Parting(name, train, tuple(i for i, test in enumerate(is_test) if test))


def _hold_out(split: str, clips: Sequence[Clip]) -> Parting:
    train = tuple(i for i, clip in enumerate(clips) if clip.split in (None, "train"))
    test = tuple(i for i, clip in enumerate(clips) if clip.split == split)
    return Parting(f"split {split}", train, test)
