"""Writing one shard: a WebDataset tar, and beside it the record that says what it is."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import pydantic.dataclasses
from pydantic import TypeAdapter, ValidationError
from webdataset.writer import TarWriter

from asclf.audio.io import encode_flac, load_audio
from asclf.config.component import STRICT
from asclf.data.manifest import Clip
from asclf.data.shard_index import ShardInfo, SkippedClip
from asclf.data.shard_plan import ShardPlan
from asclf.data.shard_reader import SampleFacts, dump_facts
from asclf.errors import AudioError
from asclf.files import sha256_of, whole_file, write_whole


@pydantic.dataclasses.dataclass(frozen=True, config=STRICT)
class Record:
    """A shard that is done.

    Attributes:
        fingerprint: `ShardPlan.fingerprint` of what it was made from.
        info: What it holds; with 0 clips there is no tar.
        skipped: What it had to leave out.
    """

    fingerprint: str
    info: ShardInfo
    skipped: tuple[SkippedClip, ...]


@dataclass(frozen=True)
class _Encoded:
    facts: SampleFacts
    flac: bytes


@dataclass(frozen=True)
class ShardWriter:
    """Writes shards into a folder; the threads of `pool` decode and encode, in order."""

    folder: Path
    sample_rate: int
    pool: Executor

    def kept(self, plan: ShardPlan) -> Record | None:
        """The record of a shard that is there already, whole, and true to its sources."""
        try:
            record = _RECORD.validate_json(self._record_path(plan).read_bytes())
            if record.fingerprint != plan.fingerprint(self.sample_rate):
                return None
            is_whole = not record.info.clips or sha256_of(self._tar(plan)) == record.info.sha256
        except (OSError, ValidationError):
            return None
        return record if is_whole else None

    def write(self, plan: ShardPlan) -> Record:
        """Writes a shard and then its record, each in one piece."""
        fingerprint = plan.fingerprint(self.sample_rate)
        results = list(self.pool.map(self._encode, plan.clips))
        encoded = [result for result in results if isinstance(result, _Encoded)]
        skipped = tuple(result for result in results if isinstance(result, SkippedClip))
        size, sha256 = self._write_tar(plan, encoded)
        samples = sum(clip.facts.samples for clip in encoded)
        tar, clips = self._tar(plan).name, len(encoded)
        info = ShardInfo(tar, plan.fold, plan.split, clips, samples, size, sha256)
        record = Record(fingerprint, info, skipped)
        write_whole(self._record_path(plan), _RECORD.dump_json(record, indent=2) + b"\n")
        return record

    def _encode(self, clip: Clip) -> _Encoded | SkippedClip:
        try:
            waveform = load_audio(
                clip.path,
                self.sample_rate,
                start_s=clip.start_s,
                duration_s=clip.duration_s,
                where=clip.path.name,
            )
        except AudioError as error:
            return SkippedClip(clip.clip_id, str(error), clip.fold, clip.split)
        home = (clip.fold, clip.split, clip.source_id)
        facts = SampleFacts(clip.clip_id, clip.labels, len(waveform), *home)
        return _Encoded(facts, encode_flac(waveform, self.sample_rate))

    def _write_tar(self, plan: ShardPlan, clips: Sequence[_Encoded]) -> tuple[int, str]:
        """Writes the tar and returns its size and SHA-256; equal clips give equal bytes."""
        if not clips:
            self._tar(plan).unlink(missing_ok=True)
            return 0, hashlib.sha256().hexdigest()
        with whole_file(self._tar(plan)) as part:
            with part.open("wb") as file, _open_tar(file) as tar:
                for i, clip in enumerate(clips):
                    key = f"{plan.stem}-{i:06d}"
                    tar.write({"__key__": key, "flac": clip.flac, "json": dump_facts(clip.facts)})
            return part.stat().st_size, sha256_of(part)

    def _tar(self, plan: ShardPlan) -> Path:
        return self.folder / f"{plan.stem}.tar"

    def _record_path(self, plan: ShardPlan) -> Path:
        return self.folder / f"{plan.stem}.json"


def _open_tar(file: BinaryIO) -> TarWriter:
    return TarWriter(file, user="", group="", mtime=0, encoder=False)


_RECORD = TypeAdapter(Record)
