"""Detections as files: CSV, a label track for Audacity, and JSON with what they were made by."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from asclf.edge.recording import Detections
from asclf.files import write_whole


def write_detections(
    folder: Path, name: str, detections: Detections, settings: Mapping[str, Any]
) -> list[Path]:
    """Writes `NAME.csv`, `NAME.txt` (for Audacity) and `NAME.json` into a folder.

    Args:
        folder: It is made where it is absent.
        name: Without a suffix.
        detections: Of one recording.
        settings: Plain values that the JSON begins with.

    Returns:
        The files.
    """
    contents = {
        "csv": as_csv(detections),
        "txt": as_audacity_labels(detections),
        "json": as_json(detections, settings),
    }
    paths = [folder / f"{name}.{suffix}" for suffix in contents]
    for path, content in zip(paths, contents.values(), strict=True):
        write_whole(path, content)
    return paths


def as_csv(detections: Detections) -> str:
    """One line a detection: `start_s,end_s,label,score`."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["start_s", "end_s", "label", "score"])
    for found in detections.found:
        row = f"{found.start_s:.3f}", f"{found.end_s:.3f}", found.label, f"{found.score:.4f}"
        writer.writerow(row)
    return text.getvalue()


def as_audacity_labels(detections: Detections) -> str:
    """The format that Audacity reads under File, Import, Labels: start, end and text, by tabs."""
    return "".join(
        f"{found.start_s:.6f}\t{found.end_s:.6f}\t{' '.join(found.label.split())}\n"
        for found in detections.found
    )


def as_json(detections: Detections, settings: Mapping[str, Any]) -> str:
    """All there is to say, as one JSON object."""
    values = {
        "recording": detections.recording,
        **settings,
        "duration_s": detections.duration_s,
        "detections": [asdict(found) for found in detections.found],
    }
    return json.dumps(values, indent=2, ensure_ascii=False) + "\n"
