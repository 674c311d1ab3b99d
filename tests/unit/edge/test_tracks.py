from __future__ import annotations

import csv
import json
from pathlib import Path

from asclf.edge.detections import Detection
from asclf.edge.recording import Detections
from asclf.edge.tracks import write_detections

FOUND = (Detection('dog, "big"', 0.5, 2.0, 0.91234), Detection("a\tbell\n", 3.0, 3.25, 1.0))


def test_three_files_say_the_same(tmp_path: Path) -> None:
    detections = Detections("night.flac", 10.0, 0.5, FOUND)
    written = write_detections(tmp_path / "new", "night.x", detections, {"on": 0.5})
    assert [path.name for path in written] == ["night.x.csv", "night.x.txt", "night.x.json"]
    table, labels, values = (path.read_text(encoding="utf-8") for path in written)
    rows = list(csv.reader(table.splitlines(keepends=True)))
    assert rows[0] == ["start_s", "end_s", "label", "score"]
    assert rows[1] == ["0.500", "2.000", 'dog, "big"', "0.9123"]
    assert labels == '0.500000\t2.000000\tdog, "big"\n3.000000\t3.250000\ta bell\n'
    told = json.loads(values)
    assert (told["recording"], told["on"], told["duration_s"]) == ("night.flac", 0.5, 10.0)
    assert [Detection(**each) for each in told["detections"]] == list(FOUND)


def test_nothing_detected_is_files_without_rows(tmp_path: Path) -> None:
    written = write_detections(tmp_path, "x", Detections("x.wav", 1.0, 0.1, ()), {})
    assert [len(path.read_text().splitlines()) for path in written[:2]] == [1, 0]
