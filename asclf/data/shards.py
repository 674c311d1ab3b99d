"""Manifests to shards: WebDataset tars of 16-bit FLAC at the model's sample rate.

Shards are written once and read every epoch, so all that is slow or can fail on a recording is
done here: decoding, mixing down, resampling, and telling what cannot be read. Each tar holds clips
of one fold and one split; beside it stands its record, a JSON file of the same stem, and
`index.json` sums up the records. The index is written last: where it stands, the shards are whole.
A run that was killed continues: a shard whose record matches the source files and its own bytes is
kept.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path

import pydantic.dataclasses
from pydantic import TypeAdapter, ValidationError

from asclf.config.component import STRICT
from asclf.data.dealing import Dealing
from asclf.data.labels import LabelMap
from asclf.data.manifest import read_manifest
from asclf.data.shard_index import FORMAT, INDEX, ShardIndex, ShardInfo, SkippedClip
from asclf.data.shard_plan import ShardPlan, plan_shards
from asclf.data.shard_writer import Record, ShardWriter
from asclf.errors import DataError
from asclf.files import remove_parts, sha256_of, write_whole

__all__ = ["ShardIndex", "ShardInfo", "SkippedClip", "write_shards"]

ORIGIN = "origin.json"

Progress = Callable[[int, int], None]
logger = logging.getLogger(__name__)


@pydantic.dataclasses.dataclass(frozen=True, config=STRICT)
class Origin:
    """What a folder of shards is made from; written into it before the first shard."""

    format: int
    manifest_hash: str
    sample_rate: int
    clips_per_shard: int
    dealing: Dealing | None = None


def write_shards(
    manifest: Path,
    out: Path,
    *,
    sample_rate: int,
    clips_per_shard: int = 250,
    dealing: Dealing | None = None,
    progress: Progress | None = None,
) -> ShardIndex:
    """Writes the shards of a manifest, or what is missing of them.

    Args:
        manifest: JSON lines, see `asclf.data.manifest`.
        out: Folder for the shards: new, empty, or begun by the same call.
        sample_rate: The model's, in Hz.
        clips_per_shard: Most clips that a shard holds.
        dealing: Deals the clips to other folds than the manifest's, at random.
        progress: Called after each shard with the clips done and the clips that there are.

    Returns:
        The index, which is also written. Clips that cannot be read are left out, logged, and
        listed in it.

    Raises:
        DataError: The manifest cannot be used, `out` holds something else or cannot be written, or
            not one clip of a fold can be read.
    """
    clips = read_manifest(manifest)
    labels = LabelMap.from_clips(clips)
    origin = Origin(FORMAT, sha256_of(manifest), sample_rate, clips_per_shard)
    if dealing is not None:
        clips = dealing.deal(clips)
        hashed = dealing.hash_with(origin.manifest_hash)
        origin = replace(origin, manifest_hash=hashed, dealing=dealing)
    with _writing_to(out), ThreadPoolExecutor(os.cpu_count()) as pool:
        _claim(out, origin)
        writer = ShardWriter(out, sample_rate, pool)
        records = list(_records(writer, plan_shards(clips, clips_per_shard), progress))
        _report_skipped(records, manifest)
        index = ShardIndex(
            sample_rate=sample_rate,
            clips_per_shard=clips_per_shard,
            manifest_hash=origin.manifest_hash,
            labels=labels,
            shards=tuple(record.info for record in records if record.info.clips),
            skipped=tuple(clip for record in records for clip in record.skipped),
            dealing=dealing,
            folder=out,
        )
        index.save()
    return index


@contextmanager
def _writing_to(out: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        what = f"the shards cannot be written: {error.strerror or error}"
        hint = "run it again when that is mended: it goes on after the last whole shard"
        raise DataError(what, where=error.filename or out, hint=hint) from error


def _claim(out: Path, origin: Origin) -> None:
    """Makes the folder this origin's own, or finds that it is somebody else's."""
    out.mkdir(parents=True, exist_ok=True)
    remove_parts(out)
    path = out / ORIGIN
    if path.exists():
        _compare(path, origin)
    elif any(out.iterdir()):
        raise DataError(
            "the folder holds other files", where=out, expected="a new folder, or one of shards"
        )
    write_whole(path, _ORIGIN.dump_json(origin, indent=2) + b"\n")


def _compare(path: Path, origin: Origin) -> None:
    try:
        found = asdict(_ORIGIN.validate_json(path.read_bytes()))
    except ValidationError:
        found = {}
    wanted = asdict(origin)
    if found == wanted:
        return
    other = [key for key in wanted if wanted[key] != found.get(key)]
    raise DataError(
        "the folder holds shards of other origin: "
        + ", ".join(f"{key} {found.get(key, 'unknown')}" for key in other),
        where=path.parent,
        expected=", ".join(f"{key} {wanted[key]}" for key in other),
        hint="delete the folder, or write to another one",
    )


def _records(
    writer: ShardWriter, plans: Sequence[ShardPlan], progress: Progress | None
) -> Iterator[Record]:
    done, total = 0, sum(len(plan.clips) for plan in plans)
    for plan in plans:
        record = writer.kept(plan)
        if record is None:
            (writer.folder / INDEX).unlink(missing_ok=True)  # no longer true
            record = writer.write(plan)
        yield record
        done += len(plan.clips)
        if progress is not None:
            progress(done, total)


def _report_skipped(records: Sequence[Record], manifest: Path) -> None:
    """Logs every clip that was left out; a fold or split of which nothing is left is an error."""
    skipped = [clip for record in records for clip in record.skipped]
    for clip in skipped:
        logger.warning("left out: %s", clip)
    filled = {(record.info.fold, record.info.split) for record in records if record.info.clips}
    for clip in skipped:
        if (clip.fold, clip.split) not in filled:
            words = [f"of fold {clip.fold}"] if clip.fold is not None else []
            words += [f"of the split {clip.split}"] if clip.split is not None else []
            raise DataError(
                " ".join(["not one clip", *words, "can be read"]),
                where=manifest,
                hint=f"the first of {len(skipped)} that cannot: {clip}",
            )


_ORIGIN = TypeAdapter(Origin)
