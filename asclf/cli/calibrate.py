"""Chooses when a bundle answers `unknown`, on clips of its classes and on sounds of other kinds.

--known and --unknown take a folder of recordings or a manifest. Of a manifest of known clips, those
of the fold that the model left out of training are taken, or where it left none out, those of the
splits `validation` and `test`; of one of unknown clips, those with none of the model's labels. Both
are parted in two halves, by source or by the content of the file: one half sets the threshold, and
every figure that is printed is of the other. The threshold is stored in the bundle.

The figures hold for unknown sounds like those given here. Known clips must be new to the model: it
is surer of what it was trained on than of anything that it will hear.

Examples:
  asclf calibrate exp/esc10/bundle --known data/esc10.jsonl --unknown data/esc50.jsonl
  asclf calibrate exp/dogs/bundle --known held_out/ --unknown street/ --method probability
  asclf calibrate exp/dogs/bundle --known held_out/ --unknown street/ --target-fpr 0.05
"""

from __future__ import annotations

import logging
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import get_args

from asclf.audio.folder import find_recordings
from asclf.bundle.folder import store_unknown
from asclf.bundle.manifest import BundleManifest
from asclf.bundle.unknown import Method, UnknownRule
from asclf.cli._parser import share
from asclf.data.manifest import Clip, read_manifest
from asclf.edge.calibrate import Aim, Certainties, Sound, calibrate, measure_certainties
from asclf.edge.runtime import BundleClassifier
from asclf.score.intervals import wilson_interval

logger = logging.getLogger(__name__)


def add_arguments(parser: ArgumentParser) -> None:
    """Declares the arguments."""
    parser.add_argument("bundle", type=Path, metavar="BUNDLE", help="the bundle's folder")
    for kind, sounds in (("known", "of the model's classes"), ("unknown", "of other kinds")):
        parser.add_argument(
            f"--{kind}", type=Path, required=True, metavar="MANIFEST|DIR", help=f"sounds {sounds}"
        )
    parser.add_argument(
        "--method",
        choices=get_args(Method),
        default="energy",
        help="what is compared: log Σ exp of the logits, or the largest score (default: energy)",
    )
    aims = parser.add_mutually_exclusive_group()
    aims.add_argument(
        "--keep", type=share, default=0.95, metavar="SHARE", help="of known clips (default: 0.95)"
    )
    aims.add_argument(
        "--target-fpr", type=share, metavar="SHARE", help="of unknown clips that may be kept"
    )


def run(options: Namespace) -> int:
    """Runs the verb."""
    classifier = BundleClassifier(options.bundle)
    known = known_sounds(options.known, classifier.manifest)
    unknown = unknown_sounds(options.unknown, classifier.manifest)
    rule = calibrate(
        _measure("known", classifier, known, options.method),
        _measure("unknown", classifier, unknown, options.method),
        method=options.method,
        aim=Aim(keep=options.keep, target_fpr=options.target_fpr),
    )
    store_unknown(options.bundle, rule)
    print(f"{options.bundle}: {describe(rule)}")
    return 0


def known_sounds(path: Path, manifest: BundleManifest) -> list[Sound]:
    """The sounds of the model's classes that it was not trained on, where that can be told."""
    if path.is_dir():
        return [Sound(file) for file in find_recordings(path)]
    fold = manifest.training.test_fold
    known = [c for c in read_manifest(path) if set(c.labels) <= set(manifest.labels)]
    if fold is not None:
        return [_sound(clip) for clip in known if clip.fold in (None, fold)]
    if any(clip.split for clip in known):
        return [_sound(clip) for clip in known if clip.split in ("validation", "test")]
    logger.warning(
        "%s: this model left no fold out; if it was trained on these clips, the threshold is too "
        "high, and the share of known clips that are kept is too good",
        path,
    )
    return [_sound(clip) for clip in known]


def unknown_sounds(path: Path, manifest: BundleManifest) -> list[Sound]:
    """The sounds of which the model has no label."""
    if path.is_dir():
        return [Sound(file) for file in find_recordings(path)]
    clips = read_manifest(path)
    return [_sound(clip) for clip in clips if not set(clip.labels) & set(manifest.labels)]


def describe(rule: UnknownRule) -> str:
    """The rule and its report, in a few lines."""
    report = rule.report
    low, high = report.auroc_95
    lines = [
        f"`unknown` below {rule.threshold:.4g} ({rule.method}), chosen to {rule.chosen_by}",
        f"chosen on {rule.known} known and {rule.unknown} unknown clips; of {report.known} and "
        f"{report.unknown} others:",
        f"known kept     {_proportion(report.known_kept, report.known)}",
        f"unknown kept   {_proportion(report.unknown_kept, report.unknown)}",
        f"AUROC          {100 * report.auroc:.1f} % (95 % interval {100 * low:.1f} to "
        f"{100 * high:.1f} %)",
        f"FPR@95         {_proportion(round(report.fpr_at_95 * report.unknown), report.unknown)}",
    ]
    return "\n  ".join(lines)


def _measure(
    kind: str, classifier: BundleClassifier, sounds: list[Sound], method: Method
) -> Certainties:
    from asclf.cli._progress import counter

    with counter(f"{kind} clips", "clips") as advance:
        return measure_certainties(classifier, sounds, method, on_clip=advance)


def _sound(clip: Clip) -> Sound:
    return Sound(clip.path, clip.start_s, clip.duration_s, clip.source_id)


def _proportion(part: int, whole: int) -> str:
    low, high = wilson_interval(part, whole)
    interval = f"95 % interval {100 * low:.1f} to {100 * high:.1f} %"
    return f"{part} of {whole}, {100 * part / whole:.1f} % ({interval})"
