"""`asclf predict --long`: detections in recordings of any length."""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser, Namespace
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from asclf.bundle.prediction import Classifier
from asclf.cli._parser import number, share
from asclf.cli._progress import counter
from asclf.edge.detections import Detection, DetectionRule
from asclf.edge.recording import Detections, WindowPlan, detect
from asclf.edge.tracks import write_detections
from asclf.errors import UsageError

OPTIONS = {
    "out": "folder of the files that are written (default: .)",
    "window_s": "length of a window (default: 5)",
    "hop_s": "from one window to the next (default: half a window)",
    "on": "score that begins a detection (default: 0.5)",
    "off": "score below which it ends (default: 0.6 of --on)",
    "min_duration_s": "leave out what is shorter (default: 0)",
    "merge_gap_s": "join detections of a label this near (default: 0)",
}
"""What has a meaning with --long alone."""


def add_long_arguments(parser: ArgumentParser) -> None:
    """Declares the arguments."""
    group = parser.add_argument_group("long recordings")
    group.add_argument("--long", action="store_true", help="slide windows over each file")
    for name, purpose in OPTIONS.items():
        kind = Path if name == "out" else number if name.endswith("_s") else share
        metavar = {Path: "DIR", number: "S", share: "SCORE"}[kind]
        group.add_argument(f"--{name.replace('_', '-')}", type=kind, metavar=metavar, help=purpose)


def is_long(options: Namespace, files: Sequence[Path]) -> bool:
    """Whether --long is given, and can be done.

    Raises:
        UsageError: An option needs --long, or two recordings would be written to the same files.
        ConfigError: The numbers cannot be used together.
    """
    given = [name for name in OPTIONS if getattr(options, name) is not None]
    if given and not options.long:
        name = given[0].replace("_", "-")
        raise UsageError(f"--{name} needs --long", where="asclf predict")
    if options.long:
        _plan(options)
        _rule(options)
        _check_names(files)
    return bool(options.long)


def tell_detections(classifier: Classifier, file: Path, options: Namespace) -> None:
    """Detects what is in one recording, prints it, and writes its files."""
    plan, rule = _plan(options), _rule(options)
    with counter(file.name, "windows") as advance:
        detections = detect(classifier, file, plan, rule, on_windows=advance)
    for found in detections.found:
        print(_as_json(file, found) if options.json else _as_text(file, found), flush=True)
    settings = {"model": str(options.model), **asdict(plan), **asdict(rule)}
    name = f"{file.stem}.detections"
    written = write_detections(options.out or Path(), name, detections, settings)
    print(f"{_summary(detections)} → {', '.join(map(str, written))}", file=sys.stderr)


def _plan(options: Namespace) -> WindowPlan:
    window_s = WindowPlan.window_s if options.window_s is None else options.window_s
    return WindowPlan(
        window_s=window_s, hop_s=window_s / 2 if options.hop_s is None else options.hop_s
    )


def _rule(options: Namespace) -> DetectionRule:
    on = DetectionRule.on if options.on is None else options.on
    return DetectionRule(
        on=on,
        off=0.6 * on if options.off is None else options.off,
        min_duration_s=options.min_duration_s or 0.0,
        merge_gap_s=options.merge_gap_s or 0.0,
    )


def _check_names(files: Sequence[Path]) -> None:
    name, times = Counter(file.stem for file in files).most_common(1)[0]
    if times > 1:
        raise UsageError(
            f"{times} recordings are called {name}, and would be written to the same files",
            where="asclf predict --long",
            hint="do them in turn, each with its own --out",
        )


def _as_text(file: Path, found: Detection) -> str:
    return f"{file}: {found.start_s:.2f} to {found.end_s:.2f} s: {found.label} {found.score:.3f}"


def _as_json(file: Path, found: Detection) -> str:
    return json.dumps({"clip": str(file), **asdict(found)})


def _summary(detections: Detections) -> str:
    return (
        f"{detections.recording}: {detections.duration_s:.1f} s of sound in "
        f"{detections.seconds:.1f} s (real-time factor {detections.real_time_factor:.4f}), "
        f"{len(detections.found)} detections"
    )
