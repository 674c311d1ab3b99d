"""`asclf init`: from a folder of recordings to files that training can start from."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from asclf.cli.main import main
from asclf.config import load_experiment
from asclf.data.manifest import read_manifest

Capture = pytest.CaptureFixture[str]
RATE = 8000
WRITTEN = {"manifest.jsonl", "config.yaml", "run.sh", "report.json", "report.md"}


@pytest.fixture
def sounds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two classes of six clips; the current folder is beside them."""
    for i, label in enumerate(("dog", "rain") * 6):
        noise = 0.1 * np.random.default_rng(i).standard_normal(RATE)
        write(tmp_path / "sounds" / label / f"{i // 4}-{i}.wav", noise)
    monkeypatch.chdir(tmp_path)
    return tmp_path / "sounds"


def write(path: Path, samples: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, samples, RATE)


def init(*arguments: object) -> int:
    return main(["init", *map(str, arguments), "--jobs", "1"])


def report(out: Path) -> dict[str, object]:
    return dict(json.loads((out / "report.json").read_text("utf-8")))


def test_a_folder_becomes_a_manifest_a_configuration_and_a_script(
    sounds: Path, tmp_path: Path, capsys: Capture
) -> None:
    assert init("sounds") == 0
    out = tmp_path / "sounds_asclf"
    assert {path.name for path in out.iterdir()} == WRITTEN
    shown = capsys.readouterr().out
    assert "12 recordings of 2 classes" in shown
    assert shown.endswith("next: bash sounds_asclf/run.sh\n")
    clips = read_manifest(out / "manifest.jsonl")
    assert {clip.path for clip in clips} == set(sounds.rglob("*.wav"))
    assert {clip.fold for clip in clips} == {1, 2, 3, 4, 5}
    config = load_experiment(out / "config.yaml")
    assert (config.sample_rate, config.data.crop_s, config.train.epochs) == (RATE, 1.0, 100)
    subprocess.run(["bash", "-n", out / "run.sh"], check=True)


def test_the_script_passes_shellcheck(sounds: Path, tmp_path: Path) -> None:
    shellcheck = shutil.which("shellcheck")
    if shellcheck is None:
        pytest.skip("shellcheck is not installed")
    odd = sounds / "a dog's $HOME; `x`"
    (sounds / "dog").rename(odd)
    assert init("sounds", "--out", tmp_path / "o u t") == 0
    subprocess.run([shellcheck, "--severity=warning", tmp_path / "o u t" / "run.sh"], check=True)


def test_what_is_wrong_is_told(sounds: Path, tmp_path: Path, capsys: Capture) -> None:
    first = next((sounds / "dog").iterdir())
    shutil.copy(first, sounds / "rain" / "copy.wav")
    noise = soundfile.read(sounds / "rain" / "0-1.wav")[0]
    write(sounds / "rain" / "quieter.wav", 0.3 * noise)
    write(sounds / "rain" / "silent.wav", np.zeros(RATE))
    write(sounds / "rain" / "clipped.wav", np.clip(20 * noise, -1, 1))
    write(sounds / "Rain" / "alone.wav", 0.1 * np.random.default_rng(99).standard_normal(RATE))
    (sounds / "rain" / "broken.wav").write_text("not audio")
    (sounds / "rain" / "x.m4a").touch()
    assert init("sounds", "--out", "out") == 0
    shown = capsys.readouterr().out
    for words in (
        "the class 'Rain' has one group (of clips: 1)",
        "classes whose names differ in case only: Rain, rain",
        "recordings of unknown source: 17",
        "files that cannot be read, and are left out: 1",
        "pairs with one sound and different classes: 1",
        "files that are equal to another: 1",
        "pairs with one sound in different files: ",
        "silent recordings: 1",
        "clipped recordings: 1",
        "files of other kinds passed over: .m4a (1)",
    ):
        assert words in shown
    found = {clip.clip_id: clip for clip in read_manifest(tmp_path / "out" / "manifest.jsonl")}
    assert "rain/broken.wav" not in found
    one, other = found[f"dog/{first.name}"], found["rain/copy.wav"]
    assert one.fold == other.fold
    assert one.source_id == other.source_id == f"like dog/{first.name}"
    assert found["rain/quieter.wav"].fold == found["rain/0-1.wav"].fold
    text = (tmp_path / "out" / "report.md").read_text("utf-8")
    assert "equal files, as 'dog' and 'rain'" in text
    assert "broken.wav: cannot be decoded" in text


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no such names")
def test_names_that_are_no_text_stop_nothing(sounds: Path, tmp_path: Path) -> None:
    for name in ("dog/bad\udcff.wav", "dog/x.\udcff", "loose\udcff.wav"):
        (sounds / name).touch()
    (sounds / "empty\udcff").mkdir()
    assert init("sounds", "--out", "out") == 0
    found = report(tmp_path / "out")
    assert found["unreadable"] == [
        {"path": "sounds/dog/bad\\udcff.wav", "reason": "its name is no UTF-8; rename it"}
    ]
    assert found["other_files"] == {".\\udcff": 1}
    assert (found["loose"], found["empty_classes"]) == (["loose\\udcff.wav"], ["empty\\udcff"])


def test_sources_stay_in_one_fold(sounds: Path, tmp_path: Path) -> None:
    assert init(sounds, "--source-pattern", r"^(\d+)-") == 0
    clips = read_manifest(tmp_path / "sounds_asclf" / "manifest.jsonl")
    homes = {(clip.source_id, clip.fold) for clip in clips}
    assert len(homes) == len({source for source, _ in homes}) == 3


def test_a_copy_of_no_known_source_has_that_of_its_original(sounds: Path, tmp_path: Path) -> None:
    shutil.copy(sounds / "rain" / "2-9.wav", sounds / "rain" / "a copy.wav")
    assert init(sounds, "--source-pattern", r"^(\d+)-") == 0
    clips = read_manifest(tmp_path / "sounds_asclf" / "manifest.jsonl")
    assert {c.source_id for c in clips if c.clip_id == "rain/a copy.wav"} == {"2"}


def test_a_table_with_splits_is_followed(sounds: Path, tmp_path: Path, capsys: Capture) -> None:
    rows = [f"dog/{path.name},dog,train" for path in (sounds / "dog").iterdir()]
    rows += [f"rain/{path.name},rain,test" for path in (sounds / "rain").iterdir()]
    (tmp_path / "t.csv").write_text("\n".join(["path,label,split", *rows]))
    assert init("sounds", "--csv", "t.csv", "--out", "out") == 0
    clips = read_manifest(tmp_path / "out" / "manifest.jsonl")
    assert {(clip.labels[0], clip.split) for clip in clips} == {("dog", "train"), ("rain", "test")}
    script = (tmp_path / "out" / "run.sh").read_text("utf-8")
    assert "classes of which nothing is trained on: rain" in capsys.readouterr().out
    assert "--folds" not in script
    assert 'asclf score "$exp"' in script


def test_folds_of_a_table_that_part_a_sound_are_kept_and_told(
    sounds: Path, tmp_path: Path, capsys: Capture
) -> None:
    shutil.copy(sounds / "dog" / "0-0.wav", sounds / "dog" / "copy.wav")
    folds = {
        path.relative_to(sounds): 1 + (path.name == "copy.wav") for path in sounds.rglob("*.wav")
    }
    rows = [f"{path},{path.parent},{fold}" for path, fold in folds.items()]
    (tmp_path / "t.csv").write_text("\n".join(["path,label,fold", *rows]))
    assert init("sounds", "--csv", "t.csv") == 0
    clips = read_manifest(tmp_path / "sounds_asclf" / "manifest.jsonl")
    assert {Path(clip.clip_id): clip.fold for clip in clips} == folds
    assert "groups with clips in several folds or splits: 1" in capsys.readouterr().out


def test_one_clip_a_class_is_trained_on_without_a_score(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    monkeypatch.chdir(tmp_path)
    for i, label in enumerate(("a", "b")):
        write(tmp_path / "s" / label / "x.wav", np.random.default_rng(i).uniform(-1, 1, RATE))
    assert init("s") == 0
    assert "No folds: no class has two groups" in capsys.readouterr().out
    script = (tmp_path / "s_asclf" / "run.sh").read_text("utf-8")
    assert "asclf score" not in script
    assert "asclf train" in script


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda folder: shutil.rmtree(folder / "rain"), "there is one class only, 'dog'"),
        (shutil.rmtree, "there is no such folder"),
        (lambda folder: (folder.parent / "sounds_asclf" / "x").mkdir(parents=True), "something"),
    ],
)
def test_a_folder_that_cannot_be_used_is_one_line(
    sounds: Path, capsys: Capture, change: Callable[[Path], None], message: str
) -> None:
    change(sounds)
    assert init("sounds") == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert message in line


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--folds", "1"], "leaves nothing to train on"),
        (["--out", "sounds/out"], "lies among the recordings"),
        (["--source-pattern", "("], "is no regular expression"),
        (["--csv", "absent.csv"], "cannot be read"),
    ],
)
def test_an_option_that_cannot_be_used_is_one_line(
    sounds: Path, capsys: Capture, arguments: list[str], message: str
) -> None:
    assert init("sounds", *arguments) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert message in line
    assert list(sounds.parent.iterdir()) == [sounds]
