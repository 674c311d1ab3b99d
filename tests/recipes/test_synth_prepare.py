from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType

from asclf.data.manifest import read_manifest


def test_fewer_clips_than_before_leave_none_of_the_earlier_ones(
    load_prepare: Callable[[str], ModuleType], tmp_path: Path
) -> None:
    prepare, audio, manifest = load_prepare("synth"), tmp_path / "audio", tmp_path / "m.jsonl"
    audio.mkdir()
    (audio / "notes.wav").write_text("somebody's own", encoding="utf-8")
    counts = []
    for clips_per_class in (2, 1):
        prepare.make_audio(audio, clips_per_class)
        (audio / "notes.wav").rename(tmp_path / "notes.wav")
        prepare.make_manifest(audio, manifest)
        (tmp_path / "notes.wav").rename(audio / "notes.wav")
        counts.append(len(read_manifest(manifest)))
    assert counts == [2 * len(prepare.CLASSES), len(prepare.CLASSES)]
