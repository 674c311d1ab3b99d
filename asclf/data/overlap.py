"""Clips that other datasets have as well, left out before one is trained for them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from asclf.data.leakage import exclude_overlap
from asclf.data.manifest import read_manifest, write_manifest
from asclf.errors import DataError


def write_without(manifest: Path, targets: Sequence[Path], out: Path) -> tuple[int, int]:
    """Writes a manifest anew, without the clips whose source another manifest has as well.

    Args:
        manifest: The clips.
        targets: Manifests of what is not to be heard beforehand: all of it, training clips too.
        out: The manifest to write.

    Returns:
        How many clips were left out, and of how many recordings.

    Raises:
        DataError: A manifest cannot be used, or no clip is left.
    """
    wanted = [clip for target in targets for clip in read_manifest(target)]
    kept, shared = exclude_overlap(read_manifest(manifest), wanted)
    if not kept:
        what = f"every clip is of a recording that {_names(targets)} has as well"
        raise DataError(what, where=manifest, expected="another dataset")
    write_manifest(out, kept)
    return len(shared), len({clip.source_id for clip in shared})


def _names(targets: Sequence[Path]) -> str:
    return " or ".join(map(str, targets))
