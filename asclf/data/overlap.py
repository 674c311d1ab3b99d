"""Clips that a second dataset has as well, left out before one is trained for the other."""

from __future__ import annotations

from pathlib import Path

from asclf.data.leakage import exclude_overlap
from asclf.data.manifest import read_manifest, write_manifest
from asclf.errors import DataError


def write_without(manifest: Path, target: Path, out: Path) -> tuple[int, int]:
    """Writes a manifest anew, without the clips whose source another manifest has as well.

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
    kept, shared = exclude_overlap(clips, read_manifest(target))
    if not kept:
        what = f"every clip is of a recording that {target} has as well"
        raise DataError(what, where=manifest, expected="another dataset")
    write_manifest(out, kept)
    return len(shared), len({clip.source_id for clip in shared})
