"""Clips that a second dataset has as well, left out before one is trained for the other."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from asclf.data.manifest import Clip, read_manifest, write_manifest
from asclf.errors import DataError


def write_without(manifest: Path, target: Path, out: Path) -> tuple[int, int]:
    """Writes a manifest anew, without the clips whose recording another manifest has as well.

    Args:
        manifest: The clips.
        target: The dataset that is not to be heard beforehand: all of it, training clips too.
        out: The manifest to write.

    Returns:
        How many clips were left out, and of how many recordings.

    Raises:
        DataError: A manifest cannot be used, or no clip is left.
    """
    clips = read_manifest(manifest)
    kept, shared = part_shared(clips, read_manifest(target))
    if not kept:
        what = f"every clip is of a recording that {target} has as well"
        raise DataError(what, where=manifest, expected="another dataset")
    write_manifest(out, kept)
    return len(shared), len({_recording(clip) for clip in shared})


def part_shared(clips: Sequence[Clip], target: Sequence[Clip]) -> tuple[list[Clip], list[Clip]]:
    """Parts clips into those of recordings that the target lacks, and those of shared ones.

    Recordings are the same where their `source_id` is; one without is known by its file.
    """
    theirs = {_recording(clip) for clip in target}
    kept = [clip for clip in clips if _recording(clip) not in theirs]
    shared = [clip for clip in clips if _recording(clip) in theirs]
    return kept, shared


def _recording(clip: Clip) -> str:
    return clip.source_id or str(clip.path.resolve())
