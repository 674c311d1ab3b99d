from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import soundfile

from asclf.data.manifest import read_manifest
from asclf.data.shard_reader import read_samples
from asclf.data.shards import write_shards

HEADER = "slice_file_name,fsID,start,end,salience,fold,classID,class"
FORMATS = {
    "1-3-0-0": (44_100, 2, "PCM_16", 4.0),
    "2-3-0-0": (96_000, 2, "PCM_24", 0.5),
    "3-3-0-0": (22_050, 1, "IMA_ADPCM", 1.0),
    "4-3-0-0": (11_025, 1, "MS_ADPCM", 1.0),
    "5-3-0-0": (8_000, 1, "PCM_U8", 2.0),
    "6-3-0-0": (192_000, 2, "FLOAT", 0.3),
    "7-3-0-0": (48_000, 2, "PCM_32", 0.054),
}


@pytest.fixture(scope="module")
def prepare(load_prepare: Callable[[str], ModuleType]) -> ModuleType:
    return load_prepare("urbansound8k")


def _copy(folder: Path, *rows: str) -> Path:
    (folder / "metadata").mkdir(parents=True)
    text = "\n".join([HEADER, *rows]) + "\n"
    (folder / "metadata" / "UrbanSound8K.csv").write_text(text, encoding="utf-8")
    return folder


def _write(path: Path, sample_rate: int, channels: int, subtype: str, duration_s: float) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    time_s = np.arange(round(duration_s * sample_rate)) / sample_rate
    tone = 0.3 * np.sin(2 * np.pi * 440 * time_s)
    signal = np.repeat(tone[:, None], channels, axis=1)
    soundfile.write(path, signal, sample_rate, format="WAV", subtype=subtype)


def test_every_kind_of_file_in_the_release_becomes_a_clip(
    prepare: ModuleType, tmp_path: Path
) -> None:
    rows = [f"{name}.wav,{name[0]},0,1,1,{1 + i % 2},3,dog_bark" for i, name in enumerate(FORMATS)]
    data = _copy(tmp_path / "data", *rows)
    for i, (name, facts) in enumerate(FORMATS.items()):
        _write(data / "audio" / f"fold{1 + i % 2}" / f"{name}.wav", *facts)
    found = prepare.make_manifest(data, tmp_path / "m.jsonl")
    assert (found.bad_rows, found.without_file, found.unreadable) == ([], [], [])
    index = write_shards(tmp_path / "m.jsonl", tmp_path / "shards", sample_rate=16_000)
    assert index.skipped == ()
    assert index.folds == (1, 2)
    samples = {
        sample.facts.clip_id: sample.facts
        for shard in index.shards
        for sample in read_samples(index, shard)
    }
    for name, (_, _, _, duration_s) in FORMATS.items():  # ADPCM fills its last block
        assert samples[name].samples == pytest.approx(duration_s * 16_000, abs=1500), name
        assert samples[name].source_id == name[0]


def test_folds_that_are_absent_are_rows_without_a_file(prepare: ModuleType, tmp_path: Path) -> None:
    data = _copy(tmp_path / "data", "1.wav,1,0,1,1,1,3,dog_bark", "2.wav,2,0,1,1,10,8,siren")
    _write(data / "audio" / "fold1" / "1.wav", 8_000, 1, "PCM_16", 0.1)
    prepare.make_manifest(data, tmp_path / "m.jsonl")
    (clip,) = read_manifest(tmp_path / "m.jsonl")
    assert (clip.clip_id, clip.fold, clip.labels, clip.source_id) == ("1", 1, ("dog_bark",), "1")
    assert (tmp_path / "m.missing").read_text("utf-8") == "1 of the 2 clips in the table\n"


@pytest.mark.slow
def test_every_real_clip_of_the_table_is_found_and_can_be_read(
    prepare: ModuleType, real_data: Path, tmp_path: Path
) -> None:
    found = prepare.make_manifest(real_data / "UrbanSound8K", tmp_path / "m.jsonl")
    assert (found.bad_rows, found.without_file, found.unreadable) == ([], [], [])
    clips = read_manifest(tmp_path / "m.jsonl")
    assert len(clips) > 1000
    assert len({clip.labels for clip in clips}) == 10
    assert all(clip.clip_id.startswith(f"{clip.source_id}-") for clip in clips)
