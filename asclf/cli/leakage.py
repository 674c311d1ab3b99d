"""Looks for what training has in common with test: sources, equal files, and equal sounds.

By default each fold of the manifest is the test set in turn (or the splits validation and test).
--random and --every show what another split would leak; --against compares two manifests, MANIFEST
as what a model is pre-trained on and OTHER as the target. Files are compared by their bytes, and by
fingerprints that survive a change of level, rate and format; where the audio is not there, source
ids are compared alone, and it says so.

The exit status is 0 where nothing is found, 3 where something is, and 2 after an error.

Examples:
  asclf leakage data/esc50.jsonl
  asclf leakage data/esc50.jsonl --random 0.2 --seed 1 --no-audio
  asclf leakage data/us8k.jsonl --every 10 --json leakage.json
  asclf leakage data/us8k.jsonl --against data/esc50.jsonl
"""

from __future__ import annotations

import json
import os
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from asclf.cli._parser import positive_int
from asclf.cli._progress import bar
from asclf.errors import UsageError
from asclf.files import write_whole

if TYPE_CHECKING:
    from asclf.data.leakage import Finding, Overlap, Traits
    from asclf.data.leakage_manifest import Parting
    from asclf.data.manifest import Clip

FOUND = 3
MOST_NAMES = 4


def add_arguments(parser: ArgumentParser) -> None:
    """Declares the arguments."""
    parser.add_argument("manifest", type=Path, metavar="MANIFEST", help="clips as JSON lines")
    parser.add_argument(
        "--against", type=Path, metavar="OTHER", help="another manifest, taken as the test set"
    )
    parser.add_argument(
        "--random", type=_share, metavar="SHARE", help="a random share of the clips as test set"
    )
    parser.add_argument("--seed", type=int, default=0, metavar="S", help="of --random (default: 0)")
    parser.add_argument(
        "--every", type=positive_int, metavar="N", help="every N-th clip as test set"
    )
    parser.add_argument(
        "--no-audio", action="store_true", help="compare source ids alone, which takes no time"
    )
    parser.add_argument(
        "--show", type=positive_int, default=10, metavar="N", help="examples a test set (10)"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write everything there as well")
    parser.add_argument(
        "--jobs",
        type=positive_int,
        default=os.cpu_count() or 1,
        metavar="N",
        help="processes that decode (default: one a core)",
    )


def run(options: Namespace) -> int:
    """Runs the verb."""
    from asclf.data.leakage_manifest import find_leakage
    from asclf.data.manifest import read_manifest

    clips = read_manifest(options.manifest)
    others = read_manifest(options.against) if options.against else []
    partings = _partings(options, clips, len(others))
    findings = find_leakage(_traits(options, [*clips, *others]), partings)
    for finding in findings:
        _show(finding, options.show)
    if len(findings) > 1:
        _show_sum(findings)
    _say_what_was_not_compared(findings, options.no_audio)
    if options.json:
        write_whole(options.json, as_json(findings))
    return FOUND if any(finding.overlaps for finding in findings) else 0


def as_json(findings: Sequence[Finding]) -> str:
    """All findings, with every clip of every overlap."""
    values = [
        {**asdict(finding), "leaked": sorted(finding.leaked), "share": finding.share}
        for finding in findings
    ]
    return json.dumps(values, ensure_ascii=False, indent=1) + "\n"


def _share(text: str) -> float:
    try:
        share = float(text)
    except ValueError:
        share = 0.0
    if not 0 < share < 1:
        raise ArgumentTypeError(f"{text!r} is no share; expected a number between 0 and 1")
    return share


def _partings(options: Namespace, clips: Sequence[Clip], num_others: int) -> list[Parting]:
    from asclf.data.leakage_manifest import (
        Parting,
        every_nth_parting,
        official_partings,
        random_parting,
    )

    wanted = [option for option in ("against", "random", "every") if getattr(options, option)]
    if len(wanted) > 1:
        what = f"--{wanted[0]} and --{wanted[1]} are two questions"
        raise UsageError(what, where="asclf leakage", expected="one of them")
    if options.against:
        train, test = range(len(clips)), range(len(clips), len(clips) + num_others)
        return [Parting(f"{options.manifest} → {options.against}", tuple(train), tuple(test))]
    if options.random:
        return [random_parting(clips, options.random, options.seed)]
    if options.every:
        return [every_nth_parting(clips, options.every)]
    return official_partings(clips)


def _traits(options: Namespace, clips: Sequence[Clip]) -> list[Traits]:
    from asclf.data.leakage_manifest import heard_traits, known_traits

    if options.no_audio or not any(clip.path.exists() for clip in clips):
        return known_traits(clips)
    with bar("listening", "clips") as show:
        return heard_traits(clips, jobs=options.jobs, progress=show)


def _show(finding: Finding, most: int) -> None:
    print(finding)
    for overlap in finding.overlaps[:most]:
        print(f"  {_describe(overlap)}")
    if len(finding.overlaps) > most:
        print(f"  … and {len(finding.overlaps) - most} more: --show, --json")


def _show_sum(findings: Sequence[Finding]) -> None:
    from asclf.data.leakage import KINDS, WORDS

    shared = {(overlap.kind, overlap.trait) for finding in findings for overlap in finding.overlaps}
    counts = [f"{WORDS[kind]}s {sum(k == kind for k, _ in shared)}" for kind in KINDS]
    print(f"on both sides of some test set: {', '.join(counts)}")


def _describe(overlap: Overlap) -> str:
    trait = overlap.trait[:12] if overlap.kind == "bytes" else overlap.trait
    return f"{overlap.kind} {trait}: trained {_names(overlap.train)}; tested {_names(overlap.test)}"


def _names(clips: Sequence[str]) -> str:
    more = len(clips) - MOST_NAMES
    return ", ".join(clips[:MOST_NAMES]) + (f" and {more} more" if more > 0 else "")


def _say_what_was_not_compared(findings: Sequence[Finding], no_audio: bool) -> None:
    from asclf.data.leakage import KINDS

    reasons = {
        "source": "it is not known",
        "bytes": "as asked" if no_audio else "the audio is not there or cannot be read",
        "sound": "as asked" if no_audio else "the audio is not there, or too short",
    }
    for kind in KINDS:
        unknown = max(finding.unknown[kind] for finding in findings)
        if unknown:
            clips = findings[0].train_clips + findings[0].test_clips
            print(f"not compared by {kind}: {unknown} of {clips} clips ({reasons[kind]})")
