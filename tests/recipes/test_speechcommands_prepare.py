from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import soundfile

from asclf.audio.io import load_audio
from asclf.data.manifest import Clip, read_manifest

OFFICIAL = {  # speakers in the release's validation_list.txt and testing_list.txt
    "validation": ("8b775397", "2643992f", "060cd039", "f5e5e8b0", "dbb40d24", "026290a7"),
    "test": ("2aa787cf", "ffa76c4a", "24ad3ebe", "d7467392", "0c40e715", "94de6a6a"),
}
TRAIN = tuple(f"speaker{i}" for i in range(40))
NOISE_S = 40


@pytest.fixture(scope="module")
def prepare(load_prepare: Callable[[str], ModuleType]) -> ModuleType:
    return load_prepare("speechcommands")


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two of the ten words, one other, and noise that rises from 0 to 0.9, to be told its place."""
    folder = tmp_path_factory.mktemp("speech_commands")
    speakers = (*OFFICIAL["validation"], *OFFICIAL["test"], *TRAIN)
    for word in ("yes", "no", "bed"):
        (folder / word).mkdir()
        for speaker in speakers:
            soundfile.write(folder / word / f"{speaker}_nohash_0.wav", np.zeros(16), 16_000)
    (folder / "_background_noise_").mkdir()
    ramp = np.linspace(0, 0.9, NOISE_S * 16_000)
    soundfile.write(folder / "_background_noise_" / "ramp.wav", ramp, 16_000, subtype="PCM_24")
    (folder / "_background_noise_" / "README.md").touch()
    return folder


def _make(prepare: ModuleType, release: Path, out: Path, task: str, seed: int = 0) -> list[Clip]:
    options = {"--data-dir": release, "--task": task, "--seed": seed, "--out": out}
    arguments = [str(word) for option in options.items() for word in option]
    assert prepare.main(["manifest", *arguments]) == 0
    return read_manifest(out)


@pytest.mark.parametrize(
    ("split", "speaker"), [(split, name) for split, names in OFFICIAL.items() for name in names]
)
def test_the_hash_rule_agrees_with_the_official_lists(
    prepare: ModuleType, split: str, speaker: str
) -> None:
    assert prepare.hash_split(speaker) == split


def test_every_word_is_a_label_and_no_speaker_is_in_two_splits(
    prepare: ModuleType, release: Path, tmp_path: Path
) -> None:
    clips = _make(prepare, release, tmp_path / "m.jsonl", "v2-35")
    assert {clip.labels[0] for clip in clips} == {"yes", "no", "bed"}
    homes = {(clip.source_id, clip.split) for clip in clips}
    assert len(homes) == len({clip.source_id for clip in clips})
    missing = (tmp_path / "m.missing").read_text("utf-8")
    assert missing.startswith("32 of 35 words (backward, bird, cat, ")
    assert f"{105_829 - len(clips)} of 105829 recordings" in missing


def test_the_official_lists_decide_where_the_copy_has_them(
    prepare: ModuleType, tmp_path: Path
) -> None:
    copy = tmp_path / "copy"
    (copy / "yes").mkdir(parents=True)
    for name in ("a", "b", "060cd039"):
        soundfile.write(copy / "yes" / f"{name}_nohash_0.flac", np.zeros(16), 16_000)
    (copy / "validation_list.txt").write_text("yes/a_nohash_0.wav\nno/x_nohash_0.wav\n")
    arguments = ["manifest", "--data-dir", str(copy), "--out", str(tmp_path / "m.jsonl")]
    assert prepare.main(arguments) == 2
    (copy / "testing_list.txt").write_text("yes/b_nohash_0.wav\n")
    clips = _make(prepare, copy, tmp_path / "m.jsonl", "v2-35")
    splits = {clip.source_id: clip.split for clip in clips}
    assert splits == {"a": "validation", "b": "test", "060cd039": "train"}


def test_a_tenth_of_unknown_words_and_of_silence_is_drawn_from_the_seed(
    prepare: ModuleType, release: Path, tmp_path: Path
) -> None:
    clips = _make(prepare, release, tmp_path / "a.jsonl", "v2-12")
    for split in ("train", "validation", "test"):
        counts = Counter(clip.labels[0] for clip in clips if clip.split == split)
        words = counts["yes"] + counts["no"]
        assert counts["_unknown_"] == counts["_silence_"] == -(-words // 10) > 0
    again = _make(prepare, release, tmp_path / "a.jsonl", "v2-12")
    other = _make(prepare, release, tmp_path / "b.jsonl", "v2-12", seed=1)
    assert again == clips
    assert [clip.clip_id for clip in other] != [clip.clip_id for clip in clips]


def test_silence_of_one_split_is_no_silence_of_another(
    prepare: ModuleType, release: Path, tmp_path: Path
) -> None:
    stretches = {"train": (0.0, 0.8), "validation": (0.8, 0.9), "test": (0.9, 1.0)}
    clips = _make(prepare, release, tmp_path / "m.jsonl", "v2-12", seed=3)
    silence = [clip for clip in clips if clip.labels == ("_silence_",)]
    levels = set()
    for clip in silence:
        waveform = load_audio(clip.path, 16_000)
        assert len(waveform) == 16_000
        assert clip.split is not None
        level = float(waveform[-1] - waveform[0]) * NOISE_S / 0.9
        levels.add(round(level, 3))
        if level > 0.2:  # below it, 16 bits tell the place too roughly
            start = float(waveform[0]) / (0.9 * level)
            begin, end = stretches[clip.split]
            assert begin - 0.01 <= start <= end - 1 / NOISE_S + 0.01, clip.clip_id
    assert len(levels) == len(silence)


def test_stage_that_is_run_again_leaves_silence_as_it_is(
    prepare: ModuleType, release: Path, tmp_path: Path
) -> None:
    paths = [
        clip.path
        for clip in _make(prepare, release, tmp_path / "m.jsonl", "v2-12")
        if clip.labels == ("_silence_",)
    ]
    before = [path.stat().st_mtime_ns for path in paths]
    _make(prepare, release, tmp_path / "m.jsonl", "v2-12")
    assert [path.stat().st_mtime_ns for path in paths] == before


def test_a_folder_without_words_says_what_to_give(
    prepare: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["manifest", "--data-dir", str(tmp_path), "--out", str(tmp_path / "m.jsonl")]
    assert prepare.main(arguments) == 2
    assert "no recording of any word is here" in capsys.readouterr().err


def test_real_recordings_are_in_the_split_of_their_speaker(
    prepare: ModuleType, real_data: Path, tmp_path: Path
) -> None:
    folder = real_data / "speech_commands_v2_subset"
    clips = _make(prepare, folder, tmp_path / "m.jsonl", "v2-12")
    assert {"yes", "stop", "_unknown_", "_silence_"} <= {clip.labels[0] for clip in clips}
    missing = (tmp_path / "m.missing").read_text("utf-8")
    assert "off, on, seven" in missing
    assert {clip.split for clip in clips} == {"train", "validation", "test"}
    assert all(clip.path.is_file() for clip in clips)
