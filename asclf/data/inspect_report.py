"""What a survey found, in words: warnings, report.json and report.md."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from statistics import median
from typing import Any

from asclf.data.inspect_survey import Alike, Survey, SurveyedClip

CLIPPED_SHARE = 1e-3
"""Share of samples at full scale from which a recording is called clipped."""
MOST_SHOWN = 20
"""Examples of one finding in report.md; report.json has all."""


def warnings(survey: Survey) -> list[str]:
    """What should be looked at before training, one sentence each, the gravest first."""
    return [
        *_class_warnings(survey),
        *_parted(survey),
        *_source_warnings(survey),
        *_recording_warnings(survey),
    ]


def as_json(survey: Survey) -> str:
    """Everything that was found, as JSON."""
    found = {
        "clips": [_clip_facts(clip) for clip in survey.clips],
        "classes": {label: _class_facts(survey, label) for label in survey.labels},
        "folds": list(survey.folds),
        "alike": [_pair_facts(survey, pair) for pair in survey.alike],
        "unreadable": [
            {"path": printable(file.path), "reason": file.reason} for file in survey.unreadable
        ],
        "loose": [printable(name) for name in survey.listing.loose],
        "empty_classes": [printable(name) for name in survey.listing.empty],
        "other_files": {printable(end): n for end, n in survey.listing.other.items()},
        "warnings": warnings(survey),
    }
    return json.dumps(found, ensure_ascii=False, indent=1) + "\n"


def as_markdown(survey: Survey, title: str) -> str:
    """What was found, for people."""
    blocks = [
        f"# {_cell(title)}",
        summary(survey),
        _bullets("To look at", warnings(survey)),
        "## Classes",
        _table(*class_table(survey)),
        _bullets("Unreadable files", [f"{f.path}: {f.reason}" for f in survey.unreadable]),
        _bullets("One sound twice", [_pair_line(survey, pair) for pair in survey.alike]),
        _bullets("Clipped", [c.entry.clip_id for c in survey.clips if is_clipped(c)]),
        _bullets("Silent", [c.entry.clip_id for c in survey.clips if c.recording.is_silent]),
    ]
    return "\n\n".join(block for block in blocks if block) + "\n"


def summary(survey: Survey) -> str:
    """Clips, classes, length, formats and folds in a few sentences."""
    recordings = [clip.recording for clip in survey.clips]
    lengths = [recording.duration_s for recording in recordings]
    rates = Counter(recording.sample_rate for recording in recordings)
    groups = len({clip.group for clip in survey.clips})
    return (
        f"{len(recordings)} recordings of {len(survey.labels)} classes, "
        f"{sum(lengths) / 3600:.2f} h in all; from {min(lengths):.2f} to {max(lengths):.2f} s "
        f"(median {median(lengths):.2f} s), at {_counted(rates, ' Hz')}. "
        f"{groups} groups that have nothing in common. {_protocol(survey)}"
    )


def class_table(survey: Survey) -> tuple[list[str], list[list[str]]]:
    """Header and rows: each class with its clips, groups, minutes, and clips in each fold."""
    header = ["class", "clips", "groups", "minutes", *(f"fold {fold}" for fold in survey.folds)]
    rows = []
    for label in survey.labels:
        facts = _class_facts(survey, label)
        values = [facts["clips"], facts["groups"], f"{facts['seconds'] / 60:.2f}"]
        rows.append([label, *map(str, [*values, *facts["folds"].values()])])
    return header, rows


def is_clipped(clip: SurveyedClip) -> bool:
    """Whether so much of a recording is at full scale that it can be heard."""
    return clip.recording.clipped >= CLIPPED_SHARE


def printable(name: object) -> str:
    """A file's name as text that can be written as UTF-8."""
    return str(name).encode("utf-8", "backslashreplace").decode("utf-8")


def _class_warnings(survey: Survey) -> Iterator[str]:
    groups = survey.groups_by_class
    for label in (label for label, count in groups.items() if count == 1):
        yield (
            f"the class {label!r} has one group (of clips: {survey.labels[label]}): it can be "
            "trained on or tested, never both; record more of it"
        )
    folds = len(survey.folds)
    few = [label for label, count in groups.items() if 1 < count < folds]
    if few:
        yield f"fewer groups than the {folds} folds: {', '.join(few)}"
    if survey.splits:
        trained = {clip.entry.label for clip in survey.clips if clip.entry.split == "train"}
        untrained = [label for label in survey.labels if label not in trained]
        if untrained:
            yield f"classes of which nothing is trained on: {', '.join(untrained)}"
    names = Counter(label.casefold() for label in survey.labels)
    alike = [label for label in survey.labels if names[label.casefold()] > 1]
    if alike:
        yield f"classes whose names differ in case only: {', '.join(alike)}"
    if survey.listing.empty:
        yield f"folders without a recording: {', '.join(map(printable, survey.listing.empty))}"


def _parted(survey: Survey) -> Iterator[str]:
    """Groups that the table's own folds or splits tear apart."""
    homes = defaultdict(set)
    for clip in survey.clips:
        homes[clip.group].add((clip.fold, clip.entry.split))
    torn = sum(len(places) > 1 for places in homes.values())
    if torn:
        yield f"groups with clips in several folds or splits: {torn}; see asclf leakage"


def _source_warnings(survey: Survey) -> Iterator[str]:
    """Dealt folds are as good as what is known of sources: cuts without a common sound are not."""
    unknown = sum(clip.entry.source_id is None for clip in survey.clips)
    is_dealt = bool(survey.folds) and not survey.has_own_folds
    if is_dealt and unknown:
        yield (
            f"recordings of unknown source: {unknown}; if several were cut from one, tell with "
            "--source-pattern or the column source_id, or a fold is tested on what is trained on"
        )


def _recording_warnings(survey: Survey) -> Iterator[str]:
    differing = [pair for pair in survey.alike if _labels(survey, pair)[2]]
    twice = sum(not pair.same_bytes for pair in survey.alike)
    counts = {
        "files that cannot be read, and are left out": len(survey.unreadable),
        "pairs with one sound and different classes": len(differing),
        "files that are equal to another": len(survey.alike) - twice,
        "pairs with one sound in different files": twice,
        "silent recordings": sum(clip.recording.is_silent for clip in survey.clips),
        "recordings that are mostly silence": sum(
            c.recording.silent > 0.9 and not c.recording.is_silent for c in survey.clips
        ),
        "clipped recordings": sum(map(is_clipped, survey.clips)),
        "files beside the classes' folders, passed over": len(survey.listing.loose),
    }
    yield from (f"{what}: {count}" for what, count in counts.items() if count)
    if survey.listing.other:
        yield f"files of other kinds passed over: {_counted(survey.listing.other)}"


def _protocol(survey: Survey) -> str:
    if survey.splits:
        return "Splits as the table gives them."
    if survey.has_own_folds:
        return f"{len(survey.folds)} folds as the table gives them."
    if not survey.folds:
        return "No folds: no class has two groups, so nothing can be tested on what is not trained."
    return f"{len(survey.folds)} folds, each group in one."


def _clip_facts(clip: SurveyedClip) -> dict[str, Any]:
    recording = clip.recording
    return {
        "clip_id": clip.entry.clip_id,
        "label": clip.entry.label,
        "source_id": clip.entry.source_id,
        "group": clip.group,
        "fold": clip.fold,
        "split": clip.entry.split,
        "format": recording.format,
        "duration_s": round(recording.duration_s, 4),
        "sample_rate": recording.sample_rate,
        "channels": recording.channels,
        "peak_db": round(recording.peak_db, 2),
        "silent": round(recording.silent, 4),
        "clipped": round(recording.clipped, 6),
        "sha256": recording.sha256,
    }


def _class_facts(survey: Survey, label: str) -> dict[str, Any]:
    clips = [clip for clip in survey.clips if clip.entry.label == label]
    per_fold = Counter(clip.fold for clip in clips)
    return {
        "clips": len(clips),
        "groups": survey.groups_by_class[label],
        "seconds": round(sum(clip.recording.duration_s for clip in clips), 3),
        "folds": {fold: per_fold[fold] for fold in survey.folds},
    }


def _labels(survey: Survey, pair: Alike) -> tuple[str, str, bool]:
    first, second = (survey.clips[i].entry.label for i in (pair.first, pair.second))
    return first, second, first != second


def _pair_facts(survey: Survey, pair: Alike) -> dict[str, Any]:
    return {
        "first": survey.clips[pair.first].entry.clip_id,
        "second": survey.clips[pair.second].entry.clip_id,
        "overlap_s": round(pair.overlap_s, 3),
        "errors": round(pair.errors, 4),
        "same_bytes": pair.same_bytes,
    }


def _pair_line(survey: Survey, pair: Alike) -> str:
    first, second = (survey.clips[i].entry.clip_id for i in (pair.first, pair.second))
    how = "equal files" if pair.same_bytes else f"{pair.overlap_s:.1f} s in common"
    one, other, differ = _labels(survey, pair)
    return f"{first} and {second}: {how}" + (f", as {one!r} and {other!r}" if differ else "")


def _counted(counts: Mapping[Any, int], unit: str = "") -> str:
    ordered = sorted(counts.items(), key=lambda item: -item[1])
    return ", ".join(f"{printable(name) or '(none)'}{unit} ({count})" for name, count in ordered)


def _bullets(title: str, lines: Sequence[str]) -> str:
    if not lines:
        return ""
    shown = [f"- {_cell(line)}" for line in lines[:MOST_SHOWN]]
    more = len(lines) - len(shown)
    tail = [f"- … and {more} more: see report.json"] if more else []
    return "\n".join([f"## {title}", "", *shown, *tail])


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(map(_cell, line))} |" for line in lines)


def _cell(text: str) -> str:
    """Text that breaks neither a line nor a table."""
    return printable(" ".join(text.split())).replace("|", "\\|")
