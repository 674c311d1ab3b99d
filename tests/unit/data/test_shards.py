from __future__ import annotations

import io
import itertools
import json
import logging
import os
import signal
import tarfile
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile

from asclf.audio.io import load_audio
from asclf.data.dealing import Dealing
from asclf.data.manifest import Clip, read_manifest, write_manifest
from asclf.data.shard_reader import read_samples
from asclf.data.shards import ShardIndex, write_shards
from asclf.errors import DataError

RATE = 8000


def _bytes_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_every_clip_is_written_once_with_what_is_known_of_it(make_shards, tmp_path: Path) -> None:
    index = make_shards(folds=(1, 3), per_fold=6)
    clips = {clip.clip_id: clip for clip in read_manifest(tmp_path / "corpus" / "manifest.jsonl")}
    assert ShardIndex.load(index.folder) == index
    assert index.labels.names == ("cat", "dog", "rain")
    assert (index.sample_rate, index.folds, index.skipped) == (RATE, (1, 3), ())
    assert [(shard.name, shard.fold, shard.clips) for shard in index.shards] == [
        ("fold1-00000.tar", 1, 4),
        ("fold1-00001.tar", 1, 2),
        ("fold3-00000.tar", 3, 4),
        ("fold3-00001.tar", 3, 2),
    ]
    for shard in index.shards:
        samples = list(read_samples(index, shard))
        assert sum(sample.facts.samples for sample in samples) == shard.samples
        for sample in samples:
            clip = clips.pop(sample.facts.clip_id)
            assert (sample.facts.labels, sample.facts.fold) == (clip.labels, clip.fold)
    assert not clips


def test_a_16_bit_file_comes_back_bit_by_bit(make_shards, tmp_path: Path) -> None:
    index = make_shards(folds=(1,))
    for shard in index.shards:
        for sample in read_samples(index, shard):
            decoded, rate = soundfile.read(tar_member(index, sample.facts.clip_id), dtype="int16")
            source = tmp_path / "corpus" / "audio" / f"{sample.facts.clip_id[1:]}.wav"
            expected, _ = soundfile.read(source, dtype="int16")
            np.testing.assert_array_equal(decoded, expected)
            assert rate == RATE


def tar_member(index: ShardIndex, clip_id: str) -> io.BytesIO:
    """The FLAC of a clip, found by plain tarfile: the shards are ordinary WebDataset tars."""
    for shard in index.shards:
        with tarfile.open(index.path(shard)) as tar:
            contents = {member.name: tar.extractfile(member).read() for member in tar}
        for name, content in contents.items():
            if name.endswith(".json") and json.loads(content)["clip_id"] == clip_id:
                return io.BytesIO(contents[name.replace(".json", ".flac")])
    raise KeyError(clip_id)


def test_the_same_manifest_gives_the_same_bytes(make_manifest, tmp_path: Path) -> None:
    manifest = make_manifest(samples=(300, 401))
    for name in ("one", "two"):
        write_shards(manifest, tmp_path / name, sample_rate=RATE, clips_per_shard=3)
        time.sleep(0.01)
    assert _bytes_of(tmp_path / "one") == _bytes_of(tmp_path / "two")


def test_start_and_duration_cut_the_clip_out(tmp_path: Path) -> None:
    ramp = np.arange(8000) / 8000
    soundfile.write(tmp_path / "a.wav", ramp, RATE, subtype="PCM_16")
    clips = [Clip("cut", tmp_path / "a.wav", ("dog",), start_s=0.25, duration_s=0.5)]
    write_manifest(tmp_path / "m.jsonl", clips)
    index = write_shards(tmp_path / "m.jsonl", tmp_path / "s", sample_rate=RATE)
    assert index.shards[0].samples == 4000
    decoded, _ = soundfile.read(tar_member(index, "cut"))
    np.testing.assert_allclose(decoded, ramp[2000:6000], atol=1e-4)


def test_a_clip_is_resampled_and_mixed_down(tmp_path: Path) -> None:
    stereo = np.stack([np.full(4000, 0.5), np.full(4000, -0.25)], axis=1)
    soundfile.write(tmp_path / "é 犬.wav", stereo, 4000)
    write_manifest(tmp_path / "m.jsonl", [Clip("a", tmp_path / "é 犬.wav", ("dog",))])
    index = write_shards(tmp_path / "m.jsonl", tmp_path / "s", sample_rate=RATE)
    decoded, _ = soundfile.read(tar_member(index, "a"))
    assert decoded.shape == (8000,)
    np.testing.assert_allclose(decoded[1000:-1000], 0.125, atol=1e-3)


def test_real_recordings_come_back_within_half_a_16_bit_step(
    real_data: Path, tmp_path: Path
) -> None:
    files = sorted((real_data / "ESC-50" / "audio").iterdir())[::200]
    clips = [Clip(path.stem, path, ("sound",), fold=1) for path in files]
    write_manifest(tmp_path / "m.jsonl", clips)
    index = write_shards(tmp_path / "m.jsonl", tmp_path / "s", sample_rate=16000)
    assert (index.shards[0].clips, index.skipped) == (len(files), ())
    for clip in clips:
        decoded, _ = soundfile.read(tar_member(index, clip.clip_id), dtype="float32")
        expected = load_audio(clip.path, 16000).clip(-1, 1 - 2**-15)
        np.testing.assert_allclose(decoded, expected, rtol=0, atol=2**-16)


def test_progress_counts_clips(make_manifest, tmp_path: Path) -> None:
    calls: list[tuple[int, int]] = []
    manifest = make_manifest(folds=(1, 2), per_fold=5)
    write_shards(
        manifest,
        tmp_path / "s",
        sample_rate=RATE,
        clips_per_shard=3,
        progress=lambda done, total: calls.append((done, total)),
    )
    assert calls == [(3, 10), (5, 10), (8, 10), (10, 10)]


# What cannot be read ------------------------------------------------------------------------------


def _break(path: Path, how: str) -> None:
    content = path.read_bytes()
    if how == "missing":
        path.unlink()
    elif how == "empty":
        path.write_bytes(b"")
    elif how == "truncated":
        path.write_bytes(content[: len(content) // 2])
    elif how == "text":
        path.write_text("this is no audio, although it is called .wav\n" * 20)
    elif how == "nan":
        soundfile.write(path, np.full(400, np.nan), RATE, subtype="FLOAT")
    elif how == "no samples":
        soundfile.write(path, np.zeros(0), RATE)


@pytest.mark.parametrize("how", ["missing", "empty", "truncated", "text", "nan", "no samples"])
def test_a_clip_that_cannot_be_read_is_left_out_named_and_counted(
    make_manifest, tmp_path: Path, how: str, caplog: pytest.LogCaptureFixture
) -> None:
    manifest = make_manifest(folds=(1, 2), per_fold=3)
    _break(tmp_path / "corpus" / "audio" / "4.wav", how)
    with caplog.at_level(logging.WARNING):
        index = write_shards(manifest, tmp_path / "s", sample_rate=RATE)
    (skipped,) = index.skipped
    assert (skipped.clip_id, skipped.fold) == ("c4", 2)
    assert skipped.reason
    assert [shard.clips for shard in index.shards] == [3, 2]
    assert [record.getMessage() for record in caplog.records] == [f"left out: {skipped}"]
    assert ShardIndex.load(tmp_path / "s").skipped == index.skipped


def test_clips_that_were_left_out_are_named_again_by_a_second_run(
    make_manifest, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    manifest = make_manifest()
    _break(tmp_path / "corpus" / "audio" / "1.wav", "empty")
    first = write_shards(manifest, tmp_path / "s", sample_rate=RATE)
    caplog.clear()
    assert write_shards(manifest, tmp_path / "s", sample_rate=RATE) == first
    assert len(caplog.records) == 1


def test_a_mended_clip_comes_in(make_manifest, tmp_path: Path) -> None:
    manifest = make_manifest()
    path = tmp_path / "corpus" / "audio" / "1.wav"
    content = path.read_bytes()
    _break(path, "missing")
    assert write_shards(manifest, tmp_path / "s", sample_rate=RATE).skipped
    path.write_bytes(content)
    index = write_shards(manifest, tmp_path / "s", sample_rate=RATE)
    assert not index.skipped
    index.verify(index.shards)


def test_a_shard_without_a_readable_clip_is_no_shard(make_manifest, tmp_path: Path) -> None:
    manifest = make_manifest(folds=(1,), per_fold=4)
    _break(tmp_path / "corpus" / "audio" / "2.wav", "text")
    index = write_shards(manifest, tmp_path / "s", sample_rate=RATE, clips_per_shard=1)
    assert [shard.clips for shard in index.shards] == [1, 1, 1]
    assert len(list((tmp_path / "s").glob("*.tar"))) == 3


@pytest.mark.parametrize(("broken", "named"), [((3, 4, 5), "of fold 2 "), (range(6), "of fold 1 ")])
def test_a_fold_without_a_readable_clip_is_an_error(
    make_manifest, tmp_path: Path, broken, named: str
) -> None:
    manifest = make_manifest(folds=(1, 2), per_fold=3)
    for number in broken:
        _break(tmp_path / "corpus" / "audio" / f"{number}.wav", "empty")
    with pytest.raises(DataError) as caught:
        write_shards(manifest, tmp_path / "s", sample_rate=RATE)
    assert named in caught.value.what
    assert "0 bytes" in caught.value.hint
    assert not (tmp_path / "s" / "index.json").exists()


# Folders that exist -------------------------------------------------------------------------------


def test_a_second_run_writes_no_shard_again(make_shards, tmp_path: Path) -> None:
    index = make_shards()
    times = {path.name: path.stat().st_mtime_ns for path in index.folder.glob("fold*")}
    manifest = tmp_path / "corpus" / "manifest.jsonl"
    again = write_shards(manifest, index.folder, sample_rate=RATE, clips_per_shard=4)
    assert again == index
    assert times == {path.name: path.stat().st_mtime_ns for path in index.folder.glob("fold*")}


@pytest.mark.parametrize("how", ["deleted", "cut in half", "flipped byte"])
def test_a_damaged_shard_is_written_again_and_the_others_are_kept(
    make_shards, tmp_path: Path, how: str
) -> None:
    index = make_shards()
    before = _bytes_of(index.folder)
    times = {path.name: path.stat().st_mtime_ns for path in index.folder.glob("*.tar")}
    damage(index.path(index.shards[1]), how)
    manifest = tmp_path / "corpus" / "manifest.jsonl"
    again = write_shards(manifest, index.folder, sample_rate=RATE, clips_per_shard=4)
    assert again == index
    assert _bytes_of(index.folder) == before
    rewritten = [
        path.name
        for path in index.folder.glob("*.tar")
        if path.stat().st_mtime_ns != times[path.name]
    ]
    assert rewritten == [index.shards[1].name]


def damage(path: Path, how: str) -> None:
    content = bytearray(path.read_bytes())
    if how == "deleted":
        path.unlink()
    elif how == "cut in half":
        path.write_bytes(content[: len(content) // 2])
    else:
        content[len(content) // 2] ^= 0x10
        path.write_bytes(content)


def test_a_changed_recording_renews_its_shard_alone(make_shards, tmp_path: Path) -> None:
    index = make_shards(folds=(1, 2), per_fold=4)
    soundfile.write(tmp_path / "corpus" / "audio" / "5.wav", np.zeros(123), RATE)
    manifest = tmp_path / "corpus" / "manifest.jsonl"
    again = write_shards(manifest, index.folder, sample_rate=RATE, clips_per_shard=4)
    assert again.shards[0] == index.shards[0]
    assert again.shards[1].samples == index.shards[1].samples - 400 + 123


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"sample_rate": 16000}, "sample_rate 8000"),
        ({"clips_per_shard": 5}, "clips_per_shard 4"),
    ],
)
def test_a_folder_of_other_options_is_refused(
    make_shards, tmp_path: Path, options: dict[str, int], named: str
) -> None:
    index = make_shards()
    before = _bytes_of(index.folder)
    with pytest.raises(DataError) as caught:
        write_shards(
            tmp_path / "corpus" / "manifest.jsonl",
            index.folder,
            **{"sample_rate": RATE, "clips_per_shard": 4, **options},
        )
    assert named in caught.value.what
    assert "delete the folder" in caught.value.hint
    assert _bytes_of(index.folder) == before


def test_a_folder_of_another_manifest_is_refused(make_shards, make_manifest) -> None:
    index = make_shards()
    manifest = make_manifest(per_fold=5)
    with pytest.raises(DataError, match="manifest_hash"):
        write_shards(manifest, index.folder, sample_rate=RATE, clips_per_shard=4)


def test_folds_dealt_at_random_mark_the_shards_and_count_as_another_manifest(
    make_shards, tmp_path: Path
) -> None:
    index = make_shards()
    manifest, out = tmp_path / "corpus" / "manifest.jsonl", tmp_path / "dealt"
    dealt = write_shards(manifest, out, sample_rate=RATE, dealing=Dealing(3))
    assert dealt.dealing == ShardIndex.load(out).dealing == Dealing(3)
    assert dealt.folds == (1, 2, 3)
    assert sum(s.clips for s in dealt.shards) == sum(s.clips for s in index.shards)
    assert dealt.manifest_hash != index.manifest_hash
    assert ShardIndex.load(index.folder).dealing is None
    with pytest.raises(DataError, match="other origin"):
        write_shards(manifest, out, sample_rate=RATE)


@pytest.mark.parametrize("content", ["", "{}", '{"format": 99}'])
def test_a_broken_origin_is_refused(make_shards, tmp_path: Path, content: str) -> None:
    index = make_shards()
    (index.folder / "origin.json").write_text(content)
    with pytest.raises(DataError, match="other origin"):
        write_shards(
            tmp_path / "corpus" / "manifest.jsonl",
            index.folder,
            sample_rate=RATE,
            clips_per_shard=4,
        )


def test_a_folder_with_other_files_is_left_alone(make_manifest, tmp_path: Path) -> None:
    out = tmp_path / "photos"
    out.mkdir()
    (out / "cat.jpg").write_bytes(b"cat")
    with pytest.raises(DataError, match="holds other files"):
        write_shards(make_manifest(), out, sample_rate=RATE)
    assert _bytes_of(out) == {"cat.jpg": b"cat"}


def test_a_file_in_place_of_the_folder_is_an_error(make_manifest, tmp_path: Path) -> None:
    (tmp_path / "s").write_bytes(b"")
    with pytest.raises(DataError, match="cannot be written"):
        write_shards(make_manifest(), tmp_path / "s", sample_rate=RATE)


# Killed runs --------------------------------------------------------------------------------------


def _write_and_die(manifest: Path, out: Path, flush: int) -> int:
    """Writes shards in a child that SIGKILLs itself at its n-th flush to disk; returns its fate.

    A file is flushed before it is renamed into place, its folder after: these are all the states
    that a run killed between system calls can leave.
    """
    child = os.fork()
    if not child:
        flushes = itertools.count(1)
        os.fsync = lambda _: os.kill(os.getpid(), signal.SIGKILL) if next(flushes) == flush else 0
        write_shards(manifest, out, sample_rate=RATE, clips_per_shard=2)
        os._exit(0)
    return os.waitpid(child, 0)[1]


@pytest.mark.fault
def test_a_run_killed_at_any_point_is_never_taken_for_whole_and_continues(
    make_manifest, tmp_path: Path
) -> None:
    manifest = make_manifest(folds=(1, 2), per_fold=3)
    write_shards(manifest, tmp_path / "whole", sample_rate=RATE, clips_per_shard=2)
    expected = _bytes_of(tmp_path / "whole")
    flushes = 2 * len(expected)
    for flush in range(1, flushes + 1):
        out = tmp_path / f"killed at {flush}"
        assert _write_and_die(manifest, out, flush) == signal.SIGKILL
        if flush < flushes:
            with pytest.raises(DataError, match="write the shards first"):
                ShardIndex.load(out)
        index = write_shards(manifest, out, sample_rate=RATE, clips_per_shard=2)
        index.verify(index.shards)
        assert _bytes_of(out) == expected
    assert _write_and_die(manifest, tmp_path / "alive", flushes + 1) == 0


def test_a_half_written_tar_without_a_record_is_written_again(make_shards, tmp_path: Path) -> None:
    index = make_shards()
    before = _bytes_of(index.folder)
    tar = index.path(index.shards[0])
    damage(tar, "cut in half")
    tar.with_suffix(".json").unlink()
    (index.folder / "index.json").unlink()
    (index.folder / ".fold1-00001.tar.77.part").write_bytes(b"half")
    manifest = tmp_path / "corpus" / "manifest.jsonl"
    write_shards(manifest, index.folder, sample_rate=RATE, clips_per_shard=4)
    assert _bytes_of(index.folder) == before
